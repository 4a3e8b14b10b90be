"""The event store on Elasticsearch: an index per tenant and month of receipt."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tenants.store.admission import (
    ID,
    admitted,
    check_limit,
    check_number_of_ids,
    check_tenant,
    months_near,
    oldest_kept,
)
from tenants.store.blocks import Entry
from tenants.store.contract import Page, StoredEvent
from tenants.store.elasticsearch import layout, reading, writing
from tenants.store.elasticsearch.connection import Connection
from tenants.store.filter import Filter

_TRIES = 5
"""So often a slice is made anew when others drop it while it is written to."""


class ElasticsearchStore:
    """All tenants' events in one cluster.

    A tenant's slices are `PREFIX-events-TENANT-2026-11`; all of them have the alias
    `PREFIX-events-TENANT`, by which they are searched, and each one `PREFIX-into-TENANT-2026-11`,
    by which it is written to, so that no write ever makes an index that its tenant does not own.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str = "",
        password: str = "",
        ca_file: Path | None = None,
        prefix: str = "citysoc",
        shards: int = 1,
        timeout: float = 30.0,
    ) -> None:
        """Nothing is asked of the cluster until it is needed; `timeout` is seconds an answer."""
        self.connection = Connection(
            url, user=user, password=password, ca_file=ca_file, timeout=timeout
        )
        self._prefix = prefix
        self._shards = shards
        self._has_template = False

    def bind(self, tenant: str) -> "ElasticsearchTenantStore":
        """See EventStore."""
        return ElasticsearchTenantStore(check_tenant(tenant), self)

    def drop(self, tenant: str) -> None:
        """See EventStore."""
        for index in self.connection.indices(self.alias(check_tenant(tenant))):
            self.connection.delete(index)

    def enforce_retention(self, tenant: str, *, months: int, now: datetime) -> Sequence[str]:
        """See EventStore."""
        oldest = oldest_kept(months, now)
        start = len(self.alias(check_tenant(tenant))) + 1
        slices = {index[start:]: index for index in self.connection.indices(self.alias(tenant))}
        gone = sorted(month for month in slices if month < oldest)
        for month in gone:
            self.connection.delete(slices[month])
        return gone

    def close(self) -> None:
        """See EventStore."""
        self.connection.close()

    def alias(self, tenant: str) -> str:
        """The name by which all of a tenant's slices are searched."""
        return f"{self._prefix}-events-{tenant}"

    def into(self, tenant: str, month: str) -> str:
        """The name by which a slice is written to."""
        return f"{self._prefix}-into-{tenant}-{month}"

    def make(self, tenant: str, month: str) -> None:
        """Make a slice; nothing where it is there."""
        if not self._has_template:
            pattern = f"{self._prefix}-events-*"
            self.connection.put_template(
                f"{self._prefix}-events", layout.template(pattern, shards=self._shards)
            )
            self._has_template = True
        self.connection.create(
            f"{self.alias(tenant)}-{month}", [self.alias(tenant), self.into(tenant, month)]
        )


class ElasticsearchTenantStore:
    """One tenant's slices."""

    def __init__(self, tenant: str, store: ElasticsearchStore) -> None:
        self._tenant = tenant
        self._store = store
        self._connection = store.connection
        self._alias = store.alias(tenant)

    def write(self, events: Sequence[StoredEvent]) -> int:
        """See TenantStore."""
        months: dict[str, dict[str, Entry]] = {}
        near: dict[str, set[str]] = {}
        for event in events:
            new = admitted(event)
            month = event.received[:7]
            months.setdefault(month, {}).setdefault(event.id, new)
            for other in months_near(event.received) - {month}:
                near.setdefault(other, set()).add(event.id)
        return sum(self._write_month(month, months[month], near) for month in sorted(months))

    def _write_month(self, month: str, entries: dict[str, Entry], near: dict[str, set[str]]) -> int:
        known: set[str] = set()
        for other, ids in near.items():
            if other != month and self._connection.indices(self._store.into(self._tenant, other)):
                asked = sorted(ids & entries.keys())
                known |= self._connection.known(self._store.into(self._tenant, other), asked)
        fresh = [new for id_, new in entries.items() if id_ not in known]
        return self._write_fresh(month, fresh)

    def _write_fresh(self, month: str, entries: Sequence[Entry]) -> int:
        into = self._store.into(self._tenant, month)
        for _ in range(_TRIES):
            try:
                return writing.write(self._connection, into, entries)
            except writing.SliceGone:
                self._store.make(self._tenant, month)
        raise RuntimeError(f"{into} is dropped as often as it is made")

    def search(self, query: Filter, *, limit: int = 50, after: str | None = None) -> Page:
        """See TenantStore."""
        check_limit(limit)
        return reading.search(self._connection, self._alias, query, limit=limit, after=after)

    def count(self, query: Filter, *, limit: int | None = None) -> int:
        """See TenantStore."""
        return reading.count(self._connection, self._alias, query, limit=limit)

    def get(self, ids: Sequence[str]) -> Sequence[dict[str, Any]]:
        """See TenantStore."""
        check_number_of_ids(len(ids))
        known = [id_ for id_ in ids if ID.fullmatch(id_)]
        return reading.get(self._connection, self._alias, known)
