"""The first half of the stage: each record of events becomes one line of what profiles see."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from collectors import tick
from collectors.bus.contract import Bus, Consumer, Malformed, Partition, Position, Record
from collectors.bus.outbox import Letter, Outbox
from detection.anomaly.budget import Purse
from detection.anomaly.in_force import InForce, Policies
from detection.anomaly.library import Watched, library
from detection.anomaly.lines import Lines
from detection.anomaly.part import Part, encode

BEHAVIOUR = "behaviour."


class Counting:
    """Handler of the group `anomaly` (see collectors.bus.loop); keeps only the policy in force."""

    def __init__(
        self,
        bus: Bus,
        *,
        policies: Policies,
        purse: Callable[[str], Purse],
        pipelines: Sequence[Path] = (),
        watched: Sequence[Watched] | None = None,
    ) -> None:
        """`purse` is what a tenant may spend on alerts; it travels with the counts, so that a
        rebuild sees the same."""
        self._producer = bus.producer()
        self._outbox = Outbox(self._producer)
        self._in_force = InForce(policies, pipelines)
        self._purse = purse
        self._lines = Lines(library() if watched is None else watched)

    def assigned(self, consumer: Consumer, positions: Mapping[Partition, Position | None]) -> None:  # noqa: ARG002
        """Go on with the policy that was in force at the stored position."""
        self._in_force.assigned(positions)

    def revoked(self, partitions: frozenset[Partition]) -> None:
        """Forget what is in force there."""
        self._in_force.revoked(partitions)

    def handle(self, records: Sequence[Record]) -> None:
        """Count the events of each record; detection sets aside the lines that are none."""
        for record in records:
            kind, _, tenant = record.partition.topic.partition(".")
            part = self._part(record, kind, tenant)
            if part is not None:
                self._outbox.put(Letter(BEHAVIOUR + tenant, encode(part), key=tenant))

    def flush(self) -> None:
        """Send the counts. Raises Overloaded and keeps them then."""
        self._outbox.flush()

    def note(self, partition: Partition) -> str:
        """The version of the policy in force; a line names its record, so a repeat is known."""
        return self._in_force.note(partition)

    def close(self) -> None:
        """Let go of the bus."""
        self._producer.close()

    def _part(self, record: Record, topic: str, tenant: str) -> Part | None:
        """None for what says nothing of behaviour."""
        purse = self._purse(tenant)
        place = Part(
            topic=topic,
            partition=record.partition.number,
            offset=record.offset,
            time=record.time,
            budget=purse.budget,
            share=purse.share,
        )
        if record.kind == "policy":
            off = self._in_force.change(record, tenant)
            return None if off is None else msgspec.structs.replace(place, off=off)
        if record.kind == tick.KIND:
            return _ticked(place, record)
        if record.kind != "events":
            return None
        sights = self._lines.alerts if topic == "alerts" else self._lines.events
        value = record.value if topic == "alerts" else self._in_force.left(record, tenant)
        shown = sights(value, tenant)
        return msgspec.structs.replace(place, heard=shown.heard, seen=shown.seen)


def _ticked(place: Part, record: Record) -> Part | None:
    """None for what is no tick; detection sets it aside."""
    try:
        heard = {each.source: each.moment for each in tick.ticks(record)}
    except Malformed:
        return None
    return msgspec.structs.replace(place, ticks=heard)
