"""What every event store promises: each event once, found by its own tenant and no other."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from tenants.store.filter import Filter


class Damaged(Exception):
    """What is stored can't be read; the message names the place and what to do."""


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
    """Events newest first, and where the next page begins.

    `after` is None at the end, and only there: where a filter makes the store look at too much at
    once, a page may hold fewer events than asked for, or none, and still go on.
    """

    events: Sequence[dict[str, Any]]
    after: str | None


class TenantStore(Protocol):
    """One tenant's events. There is no search that is not bound to a tenant."""

    def write(self, events: Sequence[StoredEvent]) -> int:
        """Keep these durably, each id once; returns how many were new. Blocks.

        Raises Overloaded (collectors.bus.contract) when the store can't take them now: some may
        then be kept already, and the caller writes all of them again. Raises Malformed for what
        is no event (an id that is not 32 hex digits, a time of another form, a line that is not
        one JSON object); nothing is then kept.
        """

    def search(self, query: Filter, *, limit: int = 50, after: str | None = None) -> Page:
        """The newest events by time, then id, that the filter lets through.

        `limit` is 1 to 1,000; `after` is an earlier page's, of the same filter. What is written
        meanwhile moves nothing that was there. Raises FilterError (tenants.store.filter) for an
        `after` that no page gave.
        """

    def count(self, query: Filter, *, limit: int | None = None) -> int:
        """How many events the filter lets through; `limit` or more are counted as `limit`."""

    def get(self, ids: Sequence[str]) -> Sequence[dict[str, Any]]:
        """These events, in the order asked, unknown ids left out; at most 1,000."""


class EventStore(Protocol):
    """All tenants' events, to be bound to one."""

    def bind(self, tenant: str) -> TenantStore:
        """The tenant's own part, made at the first write. Writing is for one thread at a time.

        Raises Malformed for what is no tenant's id.
        """

    def drop(self, tenant: str) -> None:
        """Remove everything of a tenant, for good."""

    def enforce_retention(self, tenant: str, *, months: int, now: datetime) -> Sequence[str]:
        """Keep what was received in the month of `now` and the `months` before it.

        Drops the slices of earlier months; returns their names, such as `2026-04`.
        """

    def close(self) -> None:
        """Let go of files and connections."""
