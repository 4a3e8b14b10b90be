"""How transactions behave on PostgreSQL: as on SQLite, and rows are locked to their tenants."""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.types.string import StrDumperUnknown
from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from tenants.access import Tenants

WRITER = 0x63697479736F63
"""The advisory lock that every write takes: one writer at a time, as on SQLite."""
_POOL = 10
_FORGOTTEN_SECONDS = 60
"""How long a transaction may lie idle, so that a process that hangs does not lock out others."""
_SILENT_SECONDS = 30
_NOT_NOW_CLASSES = {"08", "53", "57", "58"}
"""Connection lost, too little of something (disk, memory, connections), shut down, I/O."""
_NOT_NOW = {
    "40001",  # serialisation failure
    "40P01",  # deadlock
    "55P03",  # waited too long for a lock
    "25006",  # read only: a standby has not taken over yet
    "25P03",  # the transaction lay idle for too long
}
_BIND = text(
    "SELECT set_config('citysoc.scope', :scope, true),"
    " set_config('citysoc.tenants', CAST(CAST(:tenants AS text[]) AS text), true)"
)
_LOCK = text("SELECT pg_advisory_xact_lock(:key)").bindparams(key=WRITER)


class PostgreSQL:
    """Writes come one after the other; reads see one moment and wait for nobody."""

    def __init__(self, url: URL, busy_seconds: float) -> None:
        self._busy_seconds = busy_seconds
        self.engine: Engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args={
                "application_name": "citysoc",
                "connect_timeout": max(2, round(busy_seconds)),
                # A server whose machine is gone never says so.
                "keepalives_idle": _SILENT_SECONDS,
                "tcp_user_timeout": _SILENT_SECONDS * 1000,
            },
            pool_size=_POOL,
            max_overflow=_POOL,
            pool_timeout=busy_seconds,
            pool_pre_ping=True,
        )
        event.listen(self.engine, "connect", self._prepare)

    def options(self, *, writes: bool) -> Mapping[str, object]:
        """What a transaction is opened with; a writer looks anew after waiting for its lock."""
        level = "READ COMMITTED" if writes else "REPEATABLE READ"
        return {"isolation_level": level, "postgresql_readonly": not writes}

    def bind(self, connection: Connection, tenants: Tenants) -> None:
        """Show the transaction the rows of these tenants, None for all, and no others."""
        scope = "all" if tenants is None else "some"
        connection.execute(_BIND, {"scope": scope, "tenants": sorted(tenants or ())})

    def lock(self, connection: Connection) -> None:
        """Wait for the writer before us, as long as lock_timeout says."""
        connection.execute(_LOCK)

    def passes(self, error: SQLAlchemyError) -> bool:
        """Whether it is worth another try later."""
        if isinstance(error, NoConnectionFree):
            return True
        state = getattr(getattr(error, "orig", None), "sqlstate", None)
        if state is None:
            return isinstance(error, OperationalError)  # the server is not to be reached
        return isinstance(error, DBAPIError) and (
            state[:2] in _NOT_NOW_CLASSES or state in _NOT_NOW
        )

    def _prepare(self, connection: psycopg.Connection[Any], _record: Any) -> None:
        connection.adapters.register_dumper(str, _Text)
        above = connection.execute(
            "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        if above is None or above[0]:
            raise ValueError(
                "expected a database role that row-level security binds, got one that is superuser "
                "or has BYPASSRLS: create role citysoc login nosuperuser nobypassrls"
            )
        connection.execute(
            "SELECT set_config('lock_timeout', %s, false),"
            " set_config('idle_in_transaction_session_timeout', %s, false)",
            (f"{round(self._busy_seconds * 1000)}ms", f"{_FORGOTTEN_SECONDS}s"),
        )
        connection.commit()


class _Text(StrDumperUnknown):
    """Asks for U+FFFD where a NUL is asked for: PostgreSQL's texts have none, nor have ours."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\x00", "\ufffd"))
