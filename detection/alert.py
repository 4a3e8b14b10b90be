"""An alert: what a person should see. The record on `alerts.<tenant>`, NDJSON, version 1."""

import hashlib

import msgspec

from detection.signal import VERSION, Entity
from detection.unusual import Unusual

MAX_BODIES = 20
"""Events that an alert carries; the count goes on."""


class Alert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All matches of one rule on one entity in one UTC hour of event time.

    Sent at the first match and amended; every amendment is whole, with absolute counts, so a
    reader keeps the one with the highest revision.
    """

    v: int = msgspec.field(default_factory=VERSION.__int__)
    """Always written: a default value would be left out."""
    id: str
    revision: int
    """Grows with every amendment."""
    tenant: str
    rule: str
    title: str
    level: str
    ruleset: str
    entity: Entity
    hour: str
    """`2026-11-24T13`."""
    count: int
    first: str
    """Earliest and latest event time, UTC, `2026-11-24T13:47:03.123456Z`."""
    last: str
    received: str
    """When the first of its events was received."""
    related: dict[str, list[str]] = {}
    marks: tuple[str, ...] = ()
    context: dict[str, dict[str, str]] = {}
    sources: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    """Ids of the first MAX_BODIES events, in the order of the signals log; bodies beside them.

    Of a correlation by time, and of more than MAX_BODIES half the first and half the last.
    """
    bodies: tuple[msgspec.Raw, ...] = ()
    unusual: Unusual | None = None
    """Of an alert that no rule describes, why it was raised."""


def alert_id(tenant: str, rule: str, entity: Entity, hour: str) -> str:
    """32 hex digits; the same rule, entity and hour are the same alert for ever."""
    text = f"{tenant}\x00{rule}\x00{entity.kind}\x00{entity.name}\x00{hour}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
