"""What one record of events says of behaviour: a line on `behaviour.<tenant>`, version 1."""

import msgspec


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The counts of one record, under its place: taken twice, it is known to be the same."""

    v: int = msgspec.field(default_factory=lambda: 1)
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
    windows: dict[str, list[bytes]] = {}
    """By profile, the parts of windows (detection.anomaly.window)."""
    ticks: dict[str, float] = {}
    """By source, when its door would have heard of it, Unix seconds."""
    off: list[str] | None = None
    """The views that a policy turned off, where the record is one."""


encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Part).decode


def decode(line: bytes) -> Part:
    """Undo encode. Raises ValueError for anything else."""
    try:
        part = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"expected a part of behaviour: {error}") from error
    if part.v != 1:
        raise ValueError(f"expected a part of behaviour, version 1, got {part.v}")
    return part
