"""What one record of events says of behaviour: a line on `behaviour.<tenant>`, version 2."""

import msgspec

from collectors.bus.contract import VALUE_LIMIT
from detection.anomaly.profile import Observation


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one record shows, under its place: taken twice, it is known to be the same."""

    v: int = msgspec.field(default_factory=lambda: 2)
    """Always written: a default value would be left out."""
    topic: str
    """`events` or `alerts`."""
    partition: int
    offset: int
    time: float
    """When the bus took the record, Unix seconds."""
    budget: float = 0.0
    """Alerts a day that the tenant may cost, as it was set then."""
    share: float = 1.0
    """The part of it that thresholds are made for (detection.anomaly.budget)."""
    heard: dict[str, dict[str, float]] = {}
    """By profile and source, the latest time of events, Unix seconds."""
    seen: dict[str, list[Observation]] = {}
    """By profile, its events as it sees them."""
    ticks: dict[str, float] = {}
    """By source, when its door would have heard of it, Unix seconds."""
    off: list[str] | None = None
    """The views that a policy turned off, where the record is one."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Part).decode


def encode(part: Part) -> bytes:
    """One line; of a record that shows more than the bus takes in one, the first that fit."""
    line = _encode(part)
    while len(line) > VALUE_LIMIT:
        fits = 0.9 * VALUE_LIMIT / len(line)
        seen = {name: each[: int(len(each) * fits)] for name, each in part.seen.items()}
        heard = part.heard if any(seen.values()) else {}
        part = msgspec.structs.replace(part, seen=seen, heard=heard)
        line = _encode(part)
    return line


def decode(line: bytes) -> Part:
    """Undo encode. Raises ValueError for anything else."""
    try:
        part = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"expected a part of behaviour: {error}") from error
    if part.v != 2:
        raise ValueError(f"expected a part of behaviour, version 2, got {part.v}")
    return part
