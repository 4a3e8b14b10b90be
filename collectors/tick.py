"""A tick: a door says of a source that it would have heard. On `events.*` and `signals.*`."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec

from collectors.bus.contract import Malformed, Record

KIND: Final = "tick"
HEADERS: Final = {"kind": KIND}
VERSION: Final = 1
AHEAD: Final = 300.0
"""Seconds that a tick may be ahead of the bus that took it."""


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the source before it stands before it on the source's partition."""

    v: int
    tenant: str
    source: str
    received: str
    """By the door's clock, as collectors.event.timestamp writes it."""

    @property
    def moment(self) -> float:
        """Unix seconds. Raises ValueError for a time that is none."""
        if not self.received.endswith("Z"):
            raise ValueError(f"expected a time in UTC, got {self.received[:40]!r}")
        return datetime.fromisoformat(self.received).timestamp()


_decode = msgspec.json.Decoder(Tick).decode


def ticks(record: Record) -> Iterator[Tick]:
    """The ticks of a record, one a line. Raises Malformed for what no door has sent."""
    tenant = record.partition.topic.partition(".")[2]
    for line in record.value.split(b"\n"):
        try:
            tick = _decode(line)
            ahead = tick.moment - record.time
        except (msgspec.DecodeError, ValueError) as error:
            raise Malformed(f"expected a tick, got {line[:100]!r}: {error}") from error
        if tick.v != VERSION or tick.tenant != tenant:
            raise Malformed(
                f"expected a tick, version {VERSION}, of {tenant!r}; "
                f"got version {tick.v} of {tick.tenant[:50]!r}"
            )
        if ahead > AHEAD:
            raise Malformed(f"a tick {ahead:.0f} s ahead of the bus; look at the door's clock")
        yield tick
