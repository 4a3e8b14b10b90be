"""The first half of the stage: each record of events becomes one line of window counts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from collectors import event, tick
from collectors.bus.contract import Bus, Consumer, Malformed, Partition, Position, Record
from collectors.bus.outbox import Letter, Outbox
from collectors.event import Soc
from collectors.logsource import LogSource
from detection.alert import Alert
from detection.anomaly.budget import Purse
from detection.anomaly.in_force import InForce, Policies
from detection.anomaly.library import ALERTS, KINDS, Watched, library
from detection.anomaly.part import Part, encode
from detection.anomaly.profile import Observe, observer
from detection.anomaly.window import Window, to_bytes
from detection.tally import moment

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
        self._watched = library() if watched is None else watched
        self._watching: dict[tuple[str, tuple[str, ...]], tuple[tuple[Watched, Observe], ...]] = {}

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
        read = _alerts if topic == "alerts" else _events
        heard: dict[str, dict[str, float]] = {}
        windows: dict[tuple[str, str, float], Window] = {}
        value = record.value if topic == "alerts" else self._in_force.left(record, tenant)
        for fields, soc in read(value, tenant):
            time = moment(soc.time)
            for profile in self._count(windows, fields, soc, time):
                sources = heard.setdefault(profile, {})
                sources[soc.source] = max(time, sources.get(soc.source, time))
        parts: dict[str, list[bytes]] = {}
        for (profile, _, _), window in sorted(windows.items()):
            parts.setdefault(profile, []).append(to_bytes(window))
        return msgspec.structs.replace(place, heard=heard, windows=parts)

    def _count(
        self,
        windows: dict[tuple[str, str, float], Window],
        fields: Mapping[str, Any],
        soc: Soc,
        time: float,
    ) -> Iterator[str]:
        """Count an event in the windows that it belongs to; yields the profiles that watch it."""
        for watch, observe in self._watched_by(soc.tenant, soc.logsources):
            observation = observe(fields, time, int(soc.id[:16], 16))
            entity = observation and watch.name_of(observation.entity)
            span = watch.profile.window
            if observation is None or entity is None or span is None:
                continue
            start = time // span * span
            key = watch.profile.name, entity, start
            if key not in windows:
                windows[key] = Window(entity, start, start + span)
            windows[key].add(observation)
            yield watch.profile.name

    def _watched_by(
        self, tenant: str, logsources: tuple[str, ...]
    ) -> tuple[tuple[Watched, Observe], ...]:
        found = self._watching.get((tenant, logsources))
        if found is None:
            if len(self._watching) > 10_000:
                self._watching.clear()
            parsed = [LogSource.parse(each) for each in logsources]
            fitting = [each for each in self._watched if each.sees(parsed)]
            found = tuple((each, observer(each.profile, tenant)) for each in fitting)
            self._watching[tenant, logsources] = found
        return found


def _ticked(place: Part, record: Record) -> Part | None:
    """None for what is no tick; detection sets it aside."""
    try:
        heard = {each.source: each.moment for each in tick.ticks(record)}
    except Malformed:
        return None
    return msgspec.structs.replace(place, ticks=heard)


def _events(value: bytes, tenant: str) -> Iterator[tuple[Mapping[str, Any], Soc]]:
    for line in value.split(b"\n"):
        try:
            fields, soc = event.decode(line)
        except ValueError:
            continue
        if soc.tenant == tenant:
            yield fields, soc


def _alerts(value: bytes, tenant: str) -> Iterator[tuple[Mapping[str, Any], Soc]]:
    """Alerts of rules as events; our own are left out, lest the stage watch itself."""
    for line in value.split(b"\n"):
        try:
            alert = _decode_alert(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if alert.tenant == tenant and alert.unusual is None and alert.entity.kind in _WATCHED:
            soc = Soc(
                v=1,
                id=alert.id,
                tenant=tenant,
                source="alerts",
                received=alert.received,
                time=alert.first,
                logsources=(str(ALERTS),),
            )
            yield {"rule": alert.rule, "level": alert.level, "entity": alert.entity.name}, soc


_decode_alert = msgspec.json.Decoder(Alert).decode
_WATCHED = frozenset({KINDS["host"]})
