"""Who did what to which tenant's data, for the tenant itself to read."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, insert, select

from tenants import schema
from tenants.access import Invalid, NotFound, Principal, Role
from tenants.database import Database

MAX_PAGE = 500


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One act."""

    id: int
    time: str
    who: str
    tenant: str | None
    """None where it concerns no tenant in particular, such as a sign-in."""
    what: str
    detail: str


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first; `cursor` asks for what is older, None at the end."""

    entries: Sequence[Entry]
    cursor: str | None


def record(
    connection: Connection, *, time: str, who: str, what: str, tenant: str | None, detail: str = ""
) -> None:
    """Write one act in the transaction that does it, so that neither stands alone."""
    connection.execute(
        insert(schema.audit)
        .inline()  # its number is nobody's business: not every writer may read it back
        .values(time=time, who=who, what=what, tenant_id=tenant, detail=detail[:1000])
    )


class Audit:
    """What one person may read of it."""

    def __init__(self, database: Database, principal: Principal) -> None:
        self._database = database
        self._principal = principal

    def of_tenant(self, tenant: str, *, cursor: str | None = None, limit: int = 100) -> AuditPage:
        """What was done to a tenant's data, by anyone. Raises NotFound, Invalid for a cursor."""
        if not self._principal.sees(tenant):
            raise NotFound(f"no tenant called {tenant!r}")
        return self._page(tenant, cursor, limit)

    def of_everything(self, *, cursor: str | None = None, limit: int = 100) -> AuditPage:
        """All acts, sign-ins too. Raises Denied to all but administrators."""
        self._principal.require(Role.ADMIN)
        return self._page(None, cursor, limit)

    def _page(self, tenant: str | None, cursor: str | None, limit: int) -> AuditPage:
        limit = max(1, min(limit, MAX_PAGE))
        query = select(schema.audit).order_by(schema.audit.c.id.desc()).limit(limit + 1)
        if tenant is not None:
            query = query.where(schema.audit.c.tenant_id == tenant)
        if cursor is not None:
            query = query.where(schema.audit.c.id < _before(cursor))
        with self._database.read(self._principal.tenants) as connection:
            if tenant is not None and not _exists(connection, tenant):
                raise NotFound(f"no tenant called {tenant!r}")
            rows = connection.execute(query).all()
        entries = [
            Entry(
                id=row.id,
                time=row.time,
                who=row.who,
                tenant=row.tenant_id,
                what=row.what,
                detail=row.detail,
            )
            for row in rows[:limit]
        ]
        return AuditPage(entries=entries, cursor=str(entries[-1].id) if len(rows) > limit else None)


def _before(cursor: str) -> int:
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise Invalid(f"cursor {cursor[:40]!r}", "the cursor of an earlier page")
    return int(cursor)


def _exists(connection: Connection, tenant: str) -> bool:
    query = select(schema.tenants.c.id).where(schema.tenants.c.id == tenant)
    return connection.scalar(query) is not None
