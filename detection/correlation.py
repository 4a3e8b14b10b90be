"""The correlation stage: a tenant's signals become the alerts that people see."""

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import msgspec

from collectors import metrics, tick
from collectors.bus.contract import Bus, Consumer, Malformed, Partition, Position, Record
from collectors.bus.dead import dead_letter
from collectors.bus.outbox import Letter, Outbox
from detection.definitions import Definitions
from detection.grouping import MEMORY, REREAD, Grouping
from detection.live import Correlating
from detection.packing import pack
from detection.rule_sets import RuleSets
from detection.seen import Seen
from detection.signal import Signal

STAGE = "correlation"
SIGNALS = "signals."
ALERTS = "alerts."


class _Note(msgspec.Struct, frozen=True):
    """What is stored beside a position: when the bus took the record before it."""

    time: float
    reach: float = 0
    """Seconds of signals that its longest correlation needed."""


class Correlation:
    """Handler of the group `correlation` (see collectors.bus.loop).

    It keeps no state that outlives it: what it must know, it reads again from the signals log,
    and says nothing about what had been said when the position was stored.
    """

    def __init__(self, bus: Bus, scratch: Path, sets: RuleSets, *, memory: int = MEMORY) -> None:
        """`scratch` is a file for its own use, removed and made anew."""
        self._producer = bus.producer()
        self._outbox = Outbox(self._producer)
        self._seen = Seen(scratch)
        self._memory = memory
        self._definitions = Definitions(sets)
        self._groupings: dict[Partition, Grouping] = {}
        self._correlating: dict[Partition, Correlating] = {}
        self._told: dict[Partition, int] = {}
        """The offset below which everything has been said."""
        metrics.WINDOWS_OVERDUE.set_function(self._overdue)

    def assigned(self, consumer: Consumer, positions: Mapping[Partition, Position | None]) -> None:
        """Go back far enough to know all that may still change."""
        for partition, position in positions.items():
            self._forget(partition)
            tenant = _tenant(partition)
            self._groupings[partition] = Grouping(tenant, self._seen, memory=self._memory)
            self._correlating[partition] = Correlating(tenant, self._definitions)
            self._told[partition] = position.offset if position else 0
            if position and position.note:
                note = msgspec.json.decode(position.note, type=_Note)
                consumer.seek_time(partition, note.time - REREAD - note.reach)
            else:
                consumer.seek(partition, 0)

    def revoked(self, partitions: frozenset[Partition]) -> None:
        """Forget these."""
        for partition in partitions:
            self._forget(partition)

    def handle(self, records: Sequence[Record]) -> None:
        """Count every signal, and write each alert that it changes once.

        After an overload it is called again, and what had been counted is a redelivery then.
        """
        for record in records:
            if record.kind not in ("events", tick.KIND):
                raise Malformed(f"expected a record of signals or ticks, got {record.kind!r}")
        letters = [letter for record in records for letter in self._read(record)]
        for partition in dict.fromkeys(record.partition for record in records):
            letters += self._alerts(partition)
        self._outbox.put(*letters)

    def flush(self) -> None:
        """Send the alerts. Raises Overloaded and keeps them then."""
        self._outbox.flush()

    def note(self, partition: Partition) -> str:
        """When the latest record was taken."""
        note = _Note(self._groupings[partition].time, self._correlating[partition].reach)
        return msgspec.json.encode(note).decode()

    def close(self) -> None:
        """Let go of the bus and of the scratch file."""
        self._producer.close()
        self._seen.close()

    def _overdue(self) -> float:
        """Seconds that the window longest overdue has waited; for those who watch."""
        now = time.time()
        return max((each.overdue(now) for each in tuple(self._correlating.values())), default=0.0)

    def _forget(self, partition: Partition) -> None:
        self._groupings.pop(partition, None)
        self._correlating.pop(partition, None)
        self._seen.forget(_tenant(partition))

    def _read(self, record: Record) -> Iterator[Letter]:
        """Count the signals of a record; yields a dead letter for each line that is none."""
        grouping = self._groupings[record.partition]
        correlating = self._correlating[record.partition]
        place = record.offset + 1
        grouping.advance(record.time)
        correlating.advance(record.time, place)
        told = record.offset < self._told[record.partition]
        if record.kind == tick.KIND:
            correlating.hear(tick.ticks(record))
        else:
            for number, line in enumerate(record.value.split(b"\n")):
                try:
                    if line:
                        signal = _decode(line, grouping.tenant)
                        grouping.add(signal, place)
                        correlating.add(signal)
                except ValueError as error:
                    if not told:
                        yield _set_aside(record, number, line, error)
        correlating.decide()
        if told:
            grouping.settle()
            correlating.settle()

    def _alerts(self, partition: Partition) -> Iterator[Letter]:
        tenant = _tenant(partition)
        alerts = chain(self._groupings[partition].take(), self._correlating[partition].take())
        lines = map(msgspec.json.encode, alerts)
        for value in pack(lines):
            yield Letter(ALERTS + tenant, value, key=tenant)


def _set_aside(record: Record, number: int, line: bytes, error: ValueError) -> Letter:
    metrics.DEAD_LETTERS.labels(STAGE).inc()
    return dead_letter(record, str(error), stage=STAGE, line=number, content=line)


_decode_signal = msgspec.json.Decoder(Signal).decode


def _decode(line: bytes, tenant: str) -> Signal:
    """Raises ValueError for what is no signal of the tenant, version 1."""
    signal = _decode_signal(line)
    if signal.v != 1 or signal.tenant != tenant:
        raise ValueError(
            f"expected a signal, version 1, of {tenant!r}; "
            f"got version {signal.v} of {signal.tenant!r}"
        )
    return signal


def _tenant(partition: Partition) -> str:
    return partition.topic.removeprefix(SIGNALS)
