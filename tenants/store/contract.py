"""What every event store promises: each event once, found by its own tenant and no other."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from tenants.store.filter import Filter


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event as the indexer gives it: the envelope's facts and the whole line."""

    id: str
    time: str
    """UTC, `2026-11-24T13:47:03.123456Z`; so is `received`."""
    received: str
    source: str
    line: bytes
    """The event as it stands on the bus, one JSON object with `soc`."""


class Page(msgspec.Struct, frozen=True):
    """Events newest first, and where the next page begins (None at the end)."""

    events: Sequence[dict[str, Any]]
    after: str | None


class TenantStore(Protocol):
    """One tenant's events. There is no search that is not bound to a tenant."""

    def write(self, events: Sequence[StoredEvent]) -> int:
        """Keep these durably, each id once; returns how many were new. Blocks.

        Raises Overloaded (collectors.bus.contract) when the store can't take them now.
        """

    def search(self, query: Filter, *, limit: int = 50, after: str | None = None) -> Page:
        """The newest events by time that the filter lets through; limit at most 1,000."""

    def count(self, query: Filter) -> int:
        """How many events the filter lets through."""

    def get(self, ids: Sequence[str]) -> Sequence[dict[str, Any]]:
        """These events, in the order asked, unknown ids left out; at most 1,000."""


class EventStore(Protocol):
    """All tenants' events, to be bound to one."""

    def bind(self, tenant: str) -> TenantStore:
        """The tenant's own part; makes it where there is none."""

    def drop(self, tenant: str) -> None:
        """Remove everything of a tenant, for good."""

    def enforce_retention(self, tenant: str, *, months: int) -> Sequence[str]:
        """Drop the slices received before the last `months` months; returns their names."""

    def close(self) -> None:
        """Let go of files and connections."""
