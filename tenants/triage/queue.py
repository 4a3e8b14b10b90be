"""What the queue shows: items, pages of them, and the question that is asked of it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec

from detection.signal import Entity
from detection.unusual import Unusual


class ItemState(StrEnum):
    """Where an item stands."""

    OPEN = "open"
    """Nobody has it."""
    CLAIMED = "claimed"
    BELOW = "below"
    """Nobody has it, and it stands apart: the day's budget was spent on better ones."""
    CLOSED = "closed"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work: all alerts of a rule on an entity while it was open."""

    id: str
    tenant: str
    rule: str
    title: str
    level: str
    ruleset: str
    entity: Entity
    criticality: str
    """Of the asset, by the tenant's register; empty where it says nothing."""
    priority: int
    """0 to 100, see tenants.triage.priority."""
    count: int
    """Matches, exact."""
    first: str
    """Earliest and latest event time, UTC, `2026-11-24T13:47:03.123456Z`; so is every moment."""
    last: str
    opened: str
    """When the first event of it was received."""
    state: ItemState
    owner: str | None
    claimed: str | None
    verdict: str
    """Empty while there is none; see tenants.triage.verdicts."""
    reason: str
    closed: str | None


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wrote on an item."""

    id: int
    time: str
    author: str
    text: str


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One step in an item's life. `who` is `citysoc` where no person did it."""

    time: str
    who: str
    what: str
    before: str
    after: str


class AlertPart(msgspec.Struct, frozen=True, kw_only=True):
    """One hour of an item, as correlation sent it."""

    id: str
    revision: int
    hour: str
    count: int
    first: str
    last: str
    received: str
    marks: tuple[str, ...]
    sources: tuple[str, ...]
    unusual: Unusual | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One event that matched. `body` is None where it was too large to travel with the alert."""

    alert: str
    event: str
    body: Any


class ItemDetail(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about an item that the queue holds."""

    item: Item
    related: dict[str, list[str]]
    context: dict[str, dict[str, str]]
    alerts: Sequence[AlertPart]
    evidence: Sequence[Evidence]
    notes: Sequence[Note]
    history: Sequence[Change]


class QueuePage(msgspec.Struct, frozen=True, kw_only=True):
    """Highest priority first, then newest; `cursor` asks for the next page, None at the end."""

    items: Sequence[Item]
    cursor: str | None


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """For the head of the page, over what the person sees."""

    open: int
    claimed: int
    mine: int
    by_level: dict[str, int]
    """Open and claimed together."""
    by_tenant: dict[str, int]


class QueueFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which items to list; what is left at its default does not matter."""

    states: frozenset[ItemState] = frozenset({ItemState.OPEN, ItemState.CLAIMED})
    levels: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()
    mine: bool = False
    text: str = ""
    """Words that all occur in title, rule, entity or related names, in any case."""
    entity: Entity | None = None
    rule: str = ""
