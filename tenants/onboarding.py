"""Tenants and their sources, as the people who may change them do it."""

import re
import secrets
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.engine import Row

from collectors.route import token_hash
from rules.schemas import NATIVE, schemas
from tenants import audit
from tenants import schema as tables
from tenants.access import EVERY_TENANT, Conflict, Invalid, NotFound, Principal, Role
from tenants.checked import checked_senders, checked_text
from tenants.clock import Clock, stamp, utc_now
from tenants.database import Database
from tenants.registry import touch
from tenants.source_kinds import Endpoints, source_kinds

TENANT_ID = re.compile(r"[a-z][a-z0-9]{1,30}")
SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
LOOPBACK = ("127.0.0.1/32", "::1/128")
MAX_SLOTS = 1000
SIGMA = "sigma"
"""How people name Sigma's own field names, where a kind declares others."""


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """One organisation of the city."""

    id: str
    name: str
    kind: str
    created: str


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One source of a tenant, and where it sends to."""

    tenant: str
    name: str
    kind: str
    title: str
    format: str
    logsources: tuple[str, ...]
    schema: str
    """Whose names the fields have, such as `ecs`; empty for Sigma's own."""
    transport: str
    url: str
    syslog: str
    """`host:port` for a source that may send by syslog, else empty."""
    senders: tuple[str, ...]
    """Addresses and networks that the syslog port admits."""
    enabled: bool
    created: str


class SourceCreated(msgspec.Struct, frozen=True, kw_only=True):
    """What the partner gets: the token is shown here and nowhere else."""

    source: Source
    token: str
    configuration: str


class Onboarding:
    """Bound to one person; every change is checked, audited and seen by all stages."""

    def __init__(
        self,
        database: Database,
        principal: Principal,
        endpoints: Endpoints,
        *,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._principal = principal
        self._endpoints = endpoints
        self._clock = clock

    def tenants(self) -> Sequence[Tenant]:
        """The tenants that the person sees, by name."""
        with self._database.read(self._principal.tenants) as connection:
            rows = connection.execute(select(tables.tenants).order_by(tables.tenants.c.name))
            return [_tenant(row) for row in rows if self._principal.sees(row.id)]

    def tenant(self, tenant: str) -> Tenant:
        """One of them. Raises NotFound."""
        with self._database.read(self._principal.tenants) as connection:
            return visible_tenant(connection, self._principal, tenant)

    def add_tenant(self, tenant: str, name: str, kind: str = "other") -> Tenant:
        """Take in an organisation. Raises Denied, Invalid, Conflict for an id that is taken."""
        self._principal.require(Role.ADMIN)
        if not TENANT_ID.fullmatch(tenant):
            raise Invalid(
                f"{tenant!r} is no tenant id", "a lower-case letter, then 1 to 30 letters or digits"
            )
        name = checked_text(name, "a display name", 100)
        kind = checked_text(kind, "a kind of organisation, such as council or school", 60)
        created = Tenant(id=tenant, name=name, kind=kind, created=stamp(self._clock()))
        with self._database.write(self._principal.tenants) as connection:
            if _find_tenant(connection, tenant) is not None:
                raise Conflict(f"there is a tenant {tenant!r} already", "choose another id")
            connection.execute(insert(tables.tenants).values(**msgspec.structs.asdict(created)))
            self._changed(connection, tenant, "tenant added", name)
        return created

    def sources(self, tenant: str) -> Sequence[Source]:
        """A tenant's sources by name. Raises NotFound."""
        columns = tables.sources.c
        query = select(tables.sources).where(columns.tenant_id == tenant).order_by(columns.name)
        with self._database.read(self._principal.tenants) as connection:
            visible_tenant(connection, self._principal, tenant)
            return [self._source(row) for row in connection.execute(query)]

    def source(self, tenant: str, name: str) -> Source:
        """One of them. Raises NotFound."""
        with self._database.read(self._principal.tenants) as connection:
            return self._source(self._find(connection, tenant, name))

    def add_source(
        self,
        tenant: str,
        kind: str,
        name: str,
        *,
        senders: Sequence[str] = (),
        schema: str = "",
    ) -> SourceCreated:
        """Take in a source of a kind of source_kinds.yml.

        `senders` are the addresses or networks that its syslog port admits; with none, only this
        machine may send there. `schema` says whose names the fields have, where that is another
        than the kind's. Raises NotFound, Invalid, Conflict.
        """
        if kind not in source_kinds():
            raise Invalid(
                f"no kind of source called {kind!r}", f"one of {', '.join(source_kinds())}"
            )
        if not SOURCE_NAME.fullmatch(name):
            raise Invalid(
                f"{name[:80]!r} is no source name",
                "a letter or digit, then up to 62 letters, digits, dots, hyphens or underscores",
            )
        if schema not in ("", SIGMA, *schemas()):
            known = ", ".join((SIGMA, *schemas()))
            raise Invalid(f"no schema called {schema[:80]!r}", f"one of {known}")
        about = source_kinds()[kind]
        admitted = checked_senders(senders or LOOPBACK) if about.transport == "syslog" else ()
        if senders and not admitted:
            raise Invalid(f"a {kind} source comes in over HTTP", "no list of senders for it")
        token = secrets.token_urlsafe(32)
        with self._database.write(self._principal.tenants) as connection:
            visible_tenant(connection, self._principal, tenant)
            columns = tables.sources.c
            same = select(columns.name).where(columns.tenant_id == tenant, columns.name == name)
            if connection.scalar(same) is not None:
                raise Conflict(f"{tenant} has a source {name!r} already", "choose another name")
            slot = self._free_slot(connection) if about.transport == "syslog" else None
            connection.execute(
                insert(tables.sources).values(
                    tenant_id=tenant,
                    name=name,
                    kind=kind,
                    format=about.format,
                    logsources=_json(about.logsources),
                    schema=NATIVE if schema == SIGMA else schema or about.schema,
                    token_hash=token_hash(token),
                    syslog_slot=slot,
                    senders=_json(admitted),
                    enabled=True,
                    created=stamp(self._clock()),
                )
            )
            self._changed(connection, tenant, "source added", f"{name} ({kind})")
            return self._created(connection, tenant, name, token)

    def rotate_token(self, tenant: str, name: str) -> SourceCreated:
        """Give a source a new token; the old one stops working at once. Raises NotFound."""
        token = secrets.token_urlsafe(32)
        with self._database.write(self._principal.tenants) as connection:
            self._set(connection, tenant, name, token_hash=token_hash(token))
            self._changed(connection, tenant, "source token rotated", name)
            return self._created(connection, tenant, name, token)

    def enable_source(self, tenant: str, name: str, *, enabled: bool) -> Source:
        """Open or close a source's doors. Raises NotFound."""
        with self._database.write(self._principal.tenants) as connection:
            self._set(connection, tenant, name, enabled=enabled)
            what = "source enabled" if enabled else "source disabled"
            self._changed(connection, tenant, what, name)
            return self._source(self._find(connection, tenant, name))

    def set_senders(self, tenant: str, name: str, senders: Sequence[str]) -> Source:
        """Replace the list of senders of a syslog source. Raises NotFound, Invalid."""
        admitted = checked_senders(senders)
        with self._database.write(self._principal.tenants) as connection:
            if self._find(connection, tenant, name).syslog_slot is None:
                raise Invalid(f"{name} comes in over HTTP", "no list of senders for it")
            self._set(connection, tenant, name, senders=_json(admitted))
            self._changed(
                connection, tenant, "source senders set", f"{name}: {', '.join(admitted)}"
            )
            return self._source(self._find(connection, tenant, name))

    def _free_slot(self, connection: Connection) -> int:
        """A port is free only where no tenant has it: all of them are looked at, for a moment."""
        slots = select(tables.sources.c.syslog_slot)
        slots = slots.where(tables.sources.c.syslog_slot.is_not(None))
        self._database.rebind(connection, EVERY_TENANT)
        taken = set(connection.scalars(slots))
        self._database.rebind(connection, self._principal.tenants)
        for slot in range(MAX_SLOTS):
            if slot not in taken:
                return slot
        raise Conflict("every syslog port is taken", "remove a syslog source first")

    def _find(self, connection: Connection, tenant: str, name: str) -> Row[tuple[object, ...]]:
        visible_tenant(connection, self._principal, tenant)
        columns = tables.sources.c
        query = select(tables.sources).where(columns.tenant_id == tenant, columns.name == name)
        row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFound(f"{tenant} has no source called {name!r}")
        return row

    def _set(self, connection: Connection, tenant: str, name: str, **values: object) -> None:
        self._find(connection, tenant, name)
        columns = tables.sources.c
        connection.execute(
            update(tables.sources)
            .where(columns.tenant_id == tenant, columns.name == name)
            .values(**values)
        )

    def _created(self, connection: Connection, tenant: str, name: str, token: str) -> SourceCreated:
        row = self._find(connection, tenant, name)
        about = source_kinds()[row.kind]
        return SourceCreated(
            source=self._source(row),
            token=token,
            configuration=about.fill(self._endpoints, name, token, row.syslog_slot),
        )

    def _source(self, row: Row[tuple[object, ...]]) -> Source:
        about = source_kinds()[row.kind]
        port = None if row.syslog_slot is None else self._endpoints.syslog_port + row.syslog_slot
        return Source(
            tenant=row.tenant_id,
            name=row.name,
            kind=row.kind,
            title=about.title,
            format=row.format,
            logsources=tuple(msgspec.json.decode(row.logsources)),
            schema=row.schema,
            transport=about.transport,
            url=self._endpoints.ingest_url,
            syslog="" if port is None else f"{self._endpoints.syslog_host}:{port}",
            senders=tuple(msgspec.json.decode(row.senders)),
            enabled=row.enabled,
            created=row.created,
        )

    def _changed(self, connection: Connection, tenant: str, what: str, detail: str) -> None:
        touch(connection)
        audit.record(
            connection,
            time=stamp(self._clock()),
            who=self._principal.user,
            what=what,
            tenant=tenant,
            detail=detail,
        )


def visible_tenant(connection: Connection, principal: Principal, tenant: str) -> Tenant:
    """The tenant, if it exists and the person sees it. Raises NotFound in either case."""
    row = _find_tenant(connection, tenant) if principal.sees(tenant) else None
    if row is None:
        raise NotFound(f"no tenant called {tenant!r}")
    return _tenant(row)


def _find_tenant(connection: Connection, tenant: str) -> Row[tuple[object, ...]] | None:
    query = select(tables.tenants).where(tables.tenants.c.id == tenant)
    return connection.execute(query).one_or_none()


def _tenant(row: Row[tuple[object, ...]]) -> Tenant:
    return Tenant(id=row.id, name=row.name, kind=row.kind, created=row.created)


def _json(values: Sequence[str]) -> str:
    return msgspec.json.encode(values).decode()
