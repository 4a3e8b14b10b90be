"""One SQLite file: the events of one tenant that were received in one month.

New events stand one by one in `tail` until there are enough for a block; whoever reads sees the
blocks and the tail of one moment. One process writes, any number read.
"""

import sqlite3
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from collectors.bus.contract import Overloaded
from tenants.store.blocks import MAX_BYTES, MAX_EVENTS, Entry, Key, cut, entry, keys, pack, unpack
from tenants.store.contract import Damaged
from tenants.store.index import tokens
from tenants.store.screen import may_hold

LAYOUT = 1
TOKENS = """
CREATE VIRTUAL TABLE tokens USING fts5(
    token, content='', columnsize=0, detail=none, tokenize="ascii tokenchars '_'"
);
"""
_TABLES = """
CREATE TABLE ids (id BLOB PRIMARY KEY, block INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE tail (
    id BLOB PRIMARY KEY, time INTEGER NOT NULL, line BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE blocks (
    number INTEGER PRIMARY KEY, newest INTEGER NOT NULL, oldest INTEGER NOT NULL,
    events INTEGER NOT NULL, heads BLOB NOT NULL, data BLOB NOT NULL
);
CREATE INDEX blocks_by_time ON blocks (newest, oldest, events);
CREATE TABLE state (tail_block INTEGER NOT NULL);
INSERT INTO state VALUES (1);
"""
_NOT_NOW = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_IDS_AT_ONCE = 500


class Span(NamedTuple):
    """Where a block stands in time, and how many events it holds."""

    newest: int
    oldest: int
    events: int
    number: int


class Slice:
    """An open slice, for one thread."""

    def __init__(self, path: Path, *, write: bool = False) -> None:
        """Open the file; a writer makes it where there is none."""
        self.path = path
        with self._told():
            mode = "rwc" if write else "ro"
            self._db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=10,
                isolation_level=None,
            )
        try:
            with self._told():
                self._prepare(write=write)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, *, write: bool) -> None:
        if write:
            if self._one("PRAGMA page_count") == 0:
                self._db.execute("PRAGMA page_size = 8192")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA cache_size = -16384")
            self._db.execute("PRAGMA journal_size_limit = 67108864")
            if self._one("PRAGMA user_version") == 0:
                self._db.executescript(
                    f"BEGIN;{TOKENS}{_TABLES}PRAGMA user_version = {LAYOUT};COMMIT"
                )
        found = self._one("PRAGMA user_version")
        self.empty = found == 0
        """Just made by a writer that has not yet laid it out."""
        if found not in (0, LAYOUT):
            raise Damaged(f"{self.path}: expected layout {LAYOUT}, found {found}")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def known(self, ids: Iterable[bytes]) -> set[bytes]:
        """Which of these ids the slice holds."""
        wanted = list(ids)
        found: set[bytes] = set()
        with self._told():
            for start in range(0, len(wanted), _IDS_AT_ONCE):
                some = wanted[start : start + _IDS_AT_ONCE]
                marks = ",".join("?" * len(some))
                rows = self._db.execute(f"SELECT id FROM ids WHERE id IN ({marks})", some)  # noqa: S608
                found.update(row[0] for row in rows)
        return found

    def add(self, entries: Sequence[Entry]) -> None:
        """Keep entries whose ids the slice does not know, all or none, durably."""
        with self._told(), self._transaction():
            fresh = list(entries)
            if len(fresh) >= MAX_EVENTS:
                *full, fresh = [list(group) for group in cut(fresh)]
                for group in full:
                    self._add_block(self._next_block(), group)
            self._add_to_tail(fresh)

    def _add_to_tail(self, entries: Sequence[Entry]) -> None:
        number = self._one("SELECT tail_block FROM state")
        self._know(entries, number)
        self._db.executemany(
            "INSERT INTO tail (id, time, line) VALUES (?, ?, ?)",
            ((new.key.id, new.key.time, new.line) for new in entries),
        )
        count, size = self._db.execute(
            "SELECT count(*), coalesce(sum(length(line)), 0) FROM tail"
        ).fetchone()
        if count >= MAX_EVENTS or size >= MAX_BYTES:
            entries = [entry(key, line) for key, line in self.tail()]
            self._write_block(number, entries)
            self._db.execute("DELETE FROM tail")
            self._db.execute("UPDATE state SET tail_block = ?", (self._next_block(),))

    def _add_block(self, number: int, entries: Sequence[Entry]) -> None:
        self._know(entries, number)
        self._write_block(number, entries)

    def _write_block(self, number: int, entries: Sequence[Entry]) -> None:
        block = pack(entries)
        self._db.execute(
            "INSERT INTO blocks (number, newest, oldest, events, heads, data)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (number, *block),
        )
        self._db.execute(
            "INSERT INTO tokens (rowid, token) VALUES (?, ?)",
            (number, tokens(entries)),
        )

    def _know(self, entries: Sequence[Entry], block: int) -> None:
        self._db.executemany(
            "INSERT INTO ids (id, block) VALUES (?, ?)",
            sorted((new.key.id, block) for new in entries),
        )

    def _next_block(self) -> int:
        return 1 + self._one(
            "SELECT max(tail_block, coalesce((SELECT max(number) FROM blocks), 0)) FROM state"
        )

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that is read within is of one moment."""
        with self._told():
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def spans(self, *, since: int, until: int, asked: str | None) -> Iterator[Span]:
        """Blocks with events from `since` to before `until` that the index lets in, newest first.

        Each as (newest, oldest, events, number); `asked` is what index.narrowing says.
        """
        narrowed = "AND number IN (SELECT rowid FROM tokens WHERE tokens MATCH ?)" if asked else ""
        rows = self._db.execute(
            "SELECT newest, oldest, events, number FROM blocks"  # noqa: S608
            f" WHERE newest >= ? AND oldest < ? {narrowed} ORDER BY newest DESC",
            (since, until, asked) if asked else (since, until),
        )
        with closing(rows):
            yield from map(Span._make, rows)

    def tail(self) -> Sequence[tuple[Key, bytes]]:
        """The events that are in no block yet, newest first."""
        rows = self._db.execute("SELECT time, id, line FROM tail ORDER BY time DESC, id DESC")
        return [(Key(time, id_), line) for time, id_, line in rows]

    def block(self, number: int, wanted: Sequence[bytes] = ()) -> Iterable[tuple[Key, bytes]]:
        """The events of a block, newest first; none where none may hold what is wanted."""
        row = self._db.execute("SELECT heads, data FROM blocks WHERE number = ?", (number,))
        heads, data = row.fetchone()
        try:
            text = unpack(data)
            places = keys(heads)
        except (zlib.error, struct.error) as error:
            raise Damaged(f"{self.path}: block {number} can't be read: {error}") from error
        if text.count(b"\n") + 1 != len(places):
            raise Damaged(f"{self.path}: block {number} has not as many lines as keys")
        return zip(places, text.split(b"\n"), strict=True) if may_hold(text, wanted) else ()

    def find(self, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """The lines of these ids, as far as the slice holds them."""
        blocks: dict[int, set[bytes]] = {}
        for id_ in ids:
            for row in self._db.execute("SELECT block FROM ids WHERE id = ?", (id_,)):
                blocks.setdefault(row[0], set()).add(id_)
        found = {key.id: line for key, line in self.tail() if key.id in ids} if blocks else {}
        for number, wanted in blocks.items():
            if not wanted <= found.keys():
                found |= {key.id: line for key, line in self.block(number) if key.id in wanted}
        return found

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if primary in _NOT_NOW:
                raise Overloaded(f"{self.path} can't be used now: {error}") from error
            if primary in _DAMAGED:
                raise Damaged(
                    f"{self.path} is damaged ({error}): move it away and restart the indexer"
                ) from error
            raise

    def _one(self, statement: str) -> int:
        value: int = self._db.execute(statement).fetchone()[0]
        return value
