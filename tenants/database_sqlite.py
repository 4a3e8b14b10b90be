"""How transactions behave on SQLite: one file, one writer at a time, no second lock on rows."""

import sqlite3
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from tenants.access import Tenants

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_NOT_NOW = _BUSY | {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
_LOOK_SECONDS = 0.02


class SQLite:
    """A write takes the writer's lock when it begins, not half-way."""

    def __init__(self, url: URL, busy_seconds: float) -> None:
        self._busy_seconds = busy_seconds
        self.engine: Engine = create_engine(
            url, connect_args={"timeout": busy_seconds}, pool_size=20, max_overflow=40
        )
        event.listen(self.engine, "connect", self._prepare)
        event.listen(self.engine, "begin", _begin)

    def options(self, *, writes: bool) -> Mapping[str, object]:
        """What a transaction is opened with."""
        return {"citysoc_write": writes}

    def bind(self, connection: Connection, tenants: Tenants) -> None:
        """Nothing: SQLite has no policies on rows."""

    def lock(self, connection: Connection) -> None:
        """Nothing: BEGIN IMMEDIATE has waited already."""

    def passes(self, error: SQLAlchemyError) -> bool:
        """Whether it is worth another try later."""
        code = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
        return isinstance(error, OperationalError) and code is not None and code & 0xFF in _NOT_NOW

    def _prepare(self, connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's begin event opens transactions, below
        cursor = connection.cursor()
        self._switch_to_wal(cursor)
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    def _switch_to_wal(self, cursor: sqlite3.Cursor) -> None:
        """SQLite does not wait for other processes here, so we do."""
        deadline = time.monotonic() + self._busy_seconds
        while True:
            try:
                cursor.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in _BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(_LOOK_SECONDS)
            else:
                return


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("citysoc_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
