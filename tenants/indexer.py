"""The indexer: whatever stands on `events.*` goes into the store, each event once."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from collectors import metrics
from collectors.bus.contract import Bus, Malformed, Partition, Record
from collectors.bus.dead import dead_letter
from collectors.bus.outbox import Outbox
from collectors.event import READABLE, Soc, decode
from tenants.seen_fields import FieldsSeen
from tenants.store.contract import EventStore, StoredEvent

STAGE = "indexer"
WRITE_AT_ONCE = 5_000
"""Events of one write: enough to pay for making it durable, few enough to hold decoded."""


class _Envelope(msgspec.Struct, frozen=True):
    """An event of which only `soc` is looked at; the store decodes the rest."""

    soc: Soc


_envelope = msgspec.json.Decoder(_Envelope).decode


class _Line(NamedTuple):
    """An event, and where it came from."""

    event: StoredEvent
    record: Record
    number: int


class Indexer:
    """The handler of the group `indexer` (collectors.bus.loop)."""

    def __init__(self, bus: Bus, store: EventStore, seen: FieldsSeen | None = None) -> None:
        """`seen` takes note of the fields that log sources have."""
        self._store = store
        self._seen = seen
        self._producer = bus.producer()
        self._dead = Outbox(self._producer)
        self._kept: dict[str, list[_Line]] = {}

    def handle(self, records: Sequence[Record]) -> None:
        """See Handler."""
        for record in records:
            if record.kind == "events":
                self._take(record)

    def flush(self) -> None:
        """See Handler."""
        for tenant, kept in self._kept.items():
            while kept:
                self._write(tenant, kept[:WRITE_AT_ONCE])
                del kept[:WRITE_AT_ONCE]
        self._dead.flush()
        self._kept.clear()
        if self._seen is not None:
            self._seen.flush()

    def note(self, partition: Partition) -> str:  # noqa: ARG002 - there is nothing to note
        """See Handler."""
        return ""

    def close(self) -> None:
        """Let go of the bus; the store is the caller's."""
        self._producer.close()

    def _take(self, record: Record) -> None:
        tenant = record.partition.topic.partition(".")[2]
        kept = self._kept.setdefault(tenant, [])
        for number, line in enumerate(record.value.split(b"\n")):
            if line.strip():
                try:
                    soc = _soc(line)
                    kept.append(_Line(_stored(line, soc, tenant), record, number))
                except ValueError as error:
                    self._set_aside(record, number, line, f"this is no event: {error}")
                else:
                    if self._seen is not None:
                        self._seen.look(tenant, soc, line)

    def _write(self, tenant: str, lines: Sequence[_Line]) -> None:
        """Write all; where the store finds that one is no event, in halves, to find which."""
        try:
            new = self._store.bind(tenant).write([line.event for line in lines])
        except Malformed as malformed:
            if len(lines) == 1:
                line = lines[0]
                self._set_aside(line.record, line.number, line.event.line, str(malformed))
            else:
                half = len(lines) // 2
                self._write(tenant, lines[:half])
                self._write(tenant, lines[half:])
        else:
            metrics.EVENTS_STORED.inc(new)

    def _set_aside(self, record: Record, number: int, line: bytes, reason: str) -> None:
        metrics.DEAD_LETTERS.labels(STAGE).inc()
        self._dead.put(dead_letter(record, reason, stage=STAGE, line=number, content=line))


def _stored(line: bytes, soc: Soc, tenant: str) -> StoredEvent:
    """Raises ValueError for what is no event of the tenant."""
    if soc.tenant != tenant:
        raise ValueError(f"expected an event of {tenant}, found one of {soc.tenant[:50]!r}")
    return StoredEvent(
        id=soc.id, time=soc.time, received=soc.received, source=soc.source, line=line
    )


def _soc(line: bytes) -> Soc:
    try:
        soc = _envelope(line).soc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return decode(line)[1]
    return soc if soc.v in READABLE else decode(line)[1]
