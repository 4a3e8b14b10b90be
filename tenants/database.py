"""The one database of tenants, people and their work; several processes share it."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import OperationalError

from collectors.bus.contract import Overloaded
from tenants import schema

BUSY_SECONDS = 10.0
_NOT_NOW = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
}


class Database:
    """Transactions on SQLite; a write takes the writer's lock when it begins, not half-way."""

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        """Connect to a SQLAlchemy URL such as `sqlite:////var/lib/citysoc/triage.sqlite`.

        A transaction waits up to `busy_seconds` for another process's to end.
        """
        if make_url(url).get_backend_name() != "sqlite":
            raise ValueError(f"expected a sqlite:/// URL for the triage database, got {url!r}")
        self._engine = create_engine(
            url, connect_args={"timeout": busy_seconds}, pool_size=20, max_overflow=40
        )
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)

    @classmethod
    def open(cls, url: str) -> "Database":
        """Connect, and bring the tables up to date: whoever comes first does it for all."""
        database = cls(url)
        database.migrate()
        return database

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view. Raises Overloaded where the database can't answer now."""
        with _not_now(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, durable on leaving, undone by any exception. Raises Overloaded."""
        with (
            _not_now(),
            self._engine.connect().execution_options(citysoc_write=True) as connection,
            connection.begin(),
        ):
            yield connection

    def migrate(self) -> None:
        """Run the migrations that are missing, under the writer's lock."""
        if self._revision() == schema.HEAD:
            return
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", "tenants:migrations")
        with self.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    @property
    def engine(self) -> Engine:
        """For tests and tools that look at the tables themselves."""
        return self._engine

    def _revision(self) -> str | None:
        with self.read() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return None if revision is None else str(revision)


@contextmanager
def _not_now() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        code = getattr(error.orig, "sqlite_errorcode", None)
        if code is None or code & 0xFF not in _NOT_NOW:
            raise
        raise Overloaded(f"the triage database can't take this now: {error.orig}") from error


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event opens transactions, below
    cursor = connection.cursor()
    _switch_to_wal(cursor)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    """SQLite does not wait for other processes here, so we do."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("citysoc_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
