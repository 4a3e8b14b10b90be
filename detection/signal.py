"""A signal: one rule matched one event. The record on `signals.<tenant>`, NDJSON, version 1."""

import hashlib

import msgspec

from detection.policy import State

NO_BODY = msgspec.Raw(b"null")


VERSION = 1


class Entity(msgspec.Struct, frozen=True):
    """Whom or what a match is about: kind is `host`, `user`, `ip` or `source`.

    Of a correlation, `group` (values that are none of these) or `tenant` (no group) too.
    """

    kind: str
    name: str


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where an event stands on its tenant's `events.*` topic."""

    partition: int
    offset: int
    line: int
    """Counts from 0 within the record."""


class Signal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What detection says, once for each rule and event whatever is redelivered."""

    v: int = msgspec.field(default_factory=VERSION.__int__)
    """Always written: a default value would be left out."""
    id: str
    tenant: str
    rule: str
    title: str
    level: str
    state: State
    """`signal` or `alert`; a rule that is off says nothing."""
    ruleset: str
    """The version of the rule set that matched."""
    policy: int
    """The version of the tenant's policy that gave the state."""
    event: str
    source: str
    place: Place
    time: str
    """The event's, UTC, `2026-11-24T13:47:03.123456Z`; so is `received`."""
    received: str
    entity: Entity
    related: dict[str, list[str]] = {}
    marks: tuple[str, ...] = ()
    context: dict[str, dict[str, str]] = {}
    """What the enrichers added, by enricher."""
    correlations: dict[str, State] = {}
    """The correlations that the rule serves, and what each may do in the tenant; none is off."""
    values: dict[str, str] = {}
    """The fields that those group by, count or add up."""
    body: msgspec.Raw = NO_BODY
    """The event itself, for state `alert` and for correlations, up to 16 KiB."""


def signal_id(tenant: str, rule: str, event: str) -> str:
    """32 hex digits; the same match has the same id for ever."""
    text = f"{tenant}\x00{rule}\x00{event}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
