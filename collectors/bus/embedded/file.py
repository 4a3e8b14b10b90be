"""The SQLite file itself: its tables, its connections, and which of its failures may pass."""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from collectors.bus.contract import Overloaded

PAGE = 16384
"""Bytes of a page: records are tens of kilobytes, so that few of them need many pages."""
CHECKPOINT_PAGES = 1000
WAL_LIMIT = 64 * 1024 * 1024
VERSION = 1

PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PROTOCOL,
    }
)
"""Failures that go away by themselves or when someone makes room."""

SCHEMA = """
CREATE TABLE state(topics INTEGER NOT NULL, members INTEGER NOT NULL);
INSERT INTO state VALUES (0, 0);
CREATE TABLE topics(name TEXT PRIMARY KEY, seconds REAL, bytes INTEGER);
CREATE TABLE logs(
  id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, number INTEGER NOT NULL,
  start INTEGER NOT NULL DEFAULT 0, next INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0, time REAL NOT NULL DEFAULT 0,
  UNIQUE(topic, number));
CREATE TABLE doomed(log INTEGER PRIMARY KEY);
CREATE TABLE records(
  id INTEGER PRIMARY KEY, time REAL NOT NULL, key TEXT NOT NULL, headers TEXT, value BLOB NOT NULL);
CREATE TABLE subscriptions(
  grp TEXT NOT NULL, prefix TEXT NOT NULL, PRIMARY KEY(grp, prefix)) WITHOUT ROWID;
CREATE TABLE positions(
  grp TEXT NOT NULL, log INTEGER NOT NULL, offset INTEGER NOT NULL, note TEXT NOT NULL,
  PRIMARY KEY(grp, log)) WITHOUT ROWID;
CREATE TABLE members(
  id TEXT PRIMARY KEY, grp TEXT NOT NULL, prefix TEXT NOT NULL, process TEXT NOT NULL,
  beat REAL NOT NULL);
CREATE TABLE owners(
  grp TEXT NOT NULL, log INTEGER NOT NULL, member TEXT NOT NULL,
  PRIMARY KEY(grp, log)) WITHOUT ROWID;
"""

Row = tuple[Any, ...]


class BusFile:
    """One connection to the file, made when first needed and made anew after a failure.

    Used by one thread at a time.
    """

    def __init__(self, path: Path, *, wait: float, limit: int | None) -> None:
        self._path = path
        self._wait = wait
        self._limit = limit
        self._connection: sqlite3.Connection | None = None
        self._opened = 0

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of one reading statement. Raises Overloaded."""
        with self._failures():
            return self._open().execute(sql, parameters).fetchall()

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Row]:
        """Rows one by one, so that a reader may stop early. Raises Overloaded."""
        with self._failures(), contextlib.closing(self._open().execute(sql, parameters)) as cursor:
            yield from cursor

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Several reading statements that see the file at one moment."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The only writer until the block ends; durable then, or nothing of it and Overloaded."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._failures():
            connection = self._open()
            connection.execute(begin)
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def changes(self) -> tuple[int, int]:
        """A value that differs from the last call's when another connection has written."""
        version = self.query("PRAGMA data_version")[0][0]
        return self._opened, version

    def close(self) -> None:
        """Let go of the connection; the next use makes another."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in PASSING:
                raise
            self.close()
            raise Overloaded(f"the bus file {self._path} can't be used now: {error}") from error

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = _connect(self._path, self._wait, self._limit)
            self._opened += 1
        return self._connection


def _connect(path: Path, wait: float, limit: int | None) -> sqlite3.Connection:
    if not path.exists():
        # it holds everybody's events; a folder that can't be written is SQLite's to report
        with contextlib.suppress(OSError):
            path.touch(mode=0o600)
    connection = sqlite3.connect(
        path, timeout=wait, isolation_level=None, check_same_thread=False, cached_statements=64
    )
    try:
        connection.execute(f"PRAGMA page_size = {PAGE}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}")
        if limit is not None:
            connection.execute(f"PRAGMA max_page_count = {max(limit // PAGE, 1)}")
        _make_tables(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _make_tables(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection) == 0:
        connection.execute("BEGIN IMMEDIATE")
        # another process may have been first
        if _version(connection) == 0:
            for statement in SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    if (found := _version(connection)) != VERSION:
        raise ValueError(
            f"expected a bus file of version {VERSION}, {path} has version {found}; "
            "use the citysoc that wrote it, or another --data folder"
        )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
