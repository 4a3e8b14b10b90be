"""Search in a tenant's events, bound to one person and written to the tenant's audit."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tenants import audit
from tenants.access import Invalid, NotFound, Principal
from tenants.clock import Clock, stamp, utc_now
from tenants.database import Database
from tenants.onboarding import visible_tenant
from tenants.pseudonyms import NO_PSEUDONYMS, Pseudonyms
from tenants.store.contract import EventStore, Page, TenantStore
from tenants.store.filter import Filter, FilterError
from tenants.store.terms import SHORTCUTS, Equal

MAX_PAGE = 1000


class Hunt:
    """Bound to one person; a tenant that is not theirs is NotFound.

    Of one that keeps its names to its own people others read no events: that is Denied.
    """

    def __init__(
        self,
        database: Database,
        principal: Principal,
        store: EventStore,
        *,
        pseudonyms: Pseudonyms = NO_PSEUDONYMS,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._principal = principal
        self._store = store
        self._pseudonyms = pseudonyms
        self._clock = clock

    def search(
        self,
        tenant: str,
        text: str = "",
        *,
        since: str = "",
        until: str = "",
        after: str | None = None,
        limit: int = 50,
    ) -> Page:
        """The newest events that the filter lets through (see tenants/store/filter_help.md).

        Times are as in the filter language. Raises NotFound, Invalid with the place of a fault.
        """
        now = self._clock()
        asked = _parse(text, since, until, now)
        store = self._open(tenant, "events searched" if after is None else None, str(asked))
        try:
            return store.search(asked, limit=max(1, min(limit, MAX_PAGE)), after=after)
        except FilterError as error:
            raise Invalid(f"after {str(after)[:40]!r}", "`after` of an earlier page") from error

    def find(self, tenant: str, asked: Filter, *, limit: int = 50) -> Page:
        """The same for a filter made by a program, such as the events around an alert."""
        return self._open(tenant, None).search(asked, limit=max(1, min(limit, MAX_PAGE)))

    def newest(self, tenant: str, source: str) -> str | None:
        """When the newest event of a source happened. Raises NotFound for the tenant."""
        with self._database.read(self._principal.tenants) as connection:
            visible_tenant(connection, self._principal, tenant)
        asked = Filter.of(Equal(SHORTCUTS["source"], source))
        found = self._store.bind(tenant).search(asked, limit=1, after=None).events
        return found[0]["soc"]["time"] if found else None

    def get(self, tenant: str, ids: Sequence[str]) -> Sequence[dict[str, Any]]:
        """These events, unknown ids left out. Raises NotFound for the tenant."""
        return self._open(tenant, "events read", " ".join(ids)).get(ids[:MAX_PAGE])

    def event(self, tenant: str, event: str) -> dict[str, Any]:
        """One event. Raises NotFound."""
        found = self.get(tenant, [event])
        if not found:
            raise NotFound(f"no event {event[:64]!r} of {tenant}")
        return found[0]

    def _open(self, tenant: str, what: str | None, detail: str = "") -> TenantStore:
        with self._database.read(self._principal.tenants) as connection:
            visible_tenant(connection, self._principal, tenant)
        self._pseudonyms.require_own(self._principal, tenant)
        if what is not None and self._principal.tenants is None:
            with self._database.write(self._principal.tenants) as connection:
                audit.record(
                    connection,
                    time=stamp(self._clock()),
                    who=self._principal.user,
                    what=what,
                    tenant=tenant,
                    detail=detail,
                )
        return self._store.bind(tenant)


def _parse(text: str, since: str, until: str, now: datetime) -> Filter:
    try:
        return Filter.parse(text, since=since, until=until, now=now)
    except FilterError as error:
        raise Invalid(str(error), "a filter such as `EventID:4624 and host:ws-014`") from error
