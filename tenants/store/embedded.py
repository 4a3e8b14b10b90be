"""The event store that needs no server: SQLite files, one per tenant and month of receipt.

Each event stands in a block of some hundred, and a full-text index says which blocks are worth
opening; what a block holds is decided by looking at each event. So search agrees with
matching.matches by construction, and the index may be as coarse as is good for writing.
"""

import contextlib
import re
import secrets
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from collectors import codec
from collectors.bus.contract import Overloaded
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
from tenants.store.filter import Filter
from tenants.store.search import count_in, search_in
from tenants.store.slice import Slice

MAX_OPEN_WRITERS = 32
_FILE = re.compile(r"(\d{4}-\d\d)\.[0-9a-f]{8}\.db")


class EmbeddedStore:
    """All tenants' events below one folder. One process writes; any number read beside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: OrderedDict[Path, Slice] = OrderedDict()
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".dropped-*"):
            _remove(left)

    def bind(self, tenant: str) -> "EmbeddedTenantStore":
        """See EventStore."""
        return EmbeddedTenantStore(self._folder_of(tenant), self)

    def drop(self, tenant: str) -> None:
        """See EventStore."""
        folder = self._folder_of(tenant)
        self._close_writers(folder)
        if folder.is_dir():
            aside = self._folder / f".dropped-{tenant}-{secrets.token_hex(4)}"
            folder.rename(aside)
            _remove(aside)

    def enforce_retention(self, tenant: str, *, months: int, now: datetime) -> Sequence[str]:
        """See EventStore."""
        oldest = oldest_kept(months, now)
        gone = [(month, path) for month, path in slices(self._folder_of(tenant)) if month < oldest]
        for _, path in gone:
            self._close_writer(path)
            _unlink(path)
        return sorted({month for month, _ in gone})

    def close(self) -> None:
        """See EventStore."""
        self._close_writers(self._folder)

    def writer(self, folder: Path, month: str) -> Slice:
        """The slice of a month, open for writing; made where there is none.

        A slice's name is never used twice, so that whoever still has a dropped one open can't
        touch its successor's files.
        """
        found = self.existing(folder, month)
        if found is not None:
            return found
        folder.mkdir(exist_ok=True)
        return self._open(folder / f"{month}.{secrets.token_hex(4)}.db")

    def existing(self, folder: Path, month: str) -> Slice | None:
        """The slice of a month, open for writing, None where there is none."""
        path = next((path for name, path in slices(folder) if name == month), None)
        return None if path is None else self._open(path)

    def _open(self, path: Path) -> Slice:
        if path not in self._writers:
            self._writers[path] = Slice(path, write=True)
        self._writers.move_to_end(path)
        if len(self._writers) > MAX_OPEN_WRITERS:
            self._close_writer(next(iter(self._writers)))
        return self._writers[path]

    def _folder_of(self, tenant: str) -> Path:
        return self._folder / check_tenant(tenant)

    def _close_writers(self, below: Path) -> None:
        for path in [path for path in self._writers if below in path.parents]:
            self._close_writer(path)

    def _close_writer(self, path: Path) -> None:
        writer = self._writers.pop(path, None)
        if writer is not None:
            writer.close()


class EmbeddedTenantStore:
    """One tenant's slices."""

    def __init__(self, folder: Path, store: EmbeddedStore) -> None:
        self._folder = folder
        self._store = store

    def write(self, events: Sequence[StoredEvent]) -> int:
        """See TenantStore."""
        months: dict[str, dict[bytes, Entry]] = {}
        near: dict[str, set[bytes]] = {}
        for event in events:
            new = admitted(event)
            month = event.received[:7]
            months.setdefault(month, {}).setdefault(new.key.id, new)
            for other in months_near(event.received) - {month}:
                near.setdefault(other, set()).add(new.key.id)
        return sum(self._write_month(month, months[month], near) for month in sorted(months))

    def _write_month(
        self, month: str, entries: dict[bytes, Entry], near: dict[str, set[bytes]]
    ) -> int:
        known: set[bytes] = set()
        for other, ids in near.items():
            neighbour = self._store.existing(self._folder, other)
            if neighbour is not None:
                known |= neighbour.known(ids & entries.keys())
        writer = self._store.writer(self._folder, month)
        known |= writer.known(entries)
        fresh = [new for id_, new in entries.items() if id_ not in known]
        if fresh:
            writer.add(fresh)
        return len(fresh)

    def search(self, query: Filter, *, limit: int = 50, after: str | None = None) -> Page:
        """See TenantStore."""
        check_limit(limit)
        with contextlib.ExitStack() as stack:
            return search_in(self._readers(stack), query, limit=limit, after=after)

    def count(self, query: Filter, *, limit: int | None = None) -> int:
        """See TenantStore."""
        with contextlib.ExitStack() as stack:
            return count_in(self._readers(stack), query, limit=limit)

    def get(self, ids: Sequence[str]) -> Sequence[dict[str, Any]]:
        """See TenantStore."""
        check_number_of_ids(len(ids))
        wanted = [bytes.fromhex(id_) for id_ in ids if ID.fullmatch(id_)]
        found: dict[bytes, bytes] = {}
        with contextlib.ExitStack() as stack:
            for reader in self._readers(stack):
                found |= reader.find([id_ for id_ in wanted if id_ not in found])
        return [codec.loads(found[id_]) for id_ in wanted if id_ in found]

    def _readers(self, stack: contextlib.ExitStack) -> list[Slice]:
        """Every slice opened for reading, each at one moment, until the stack is left."""
        readers = []
        for _, path in sorted(slices(self._folder), reverse=True):
            try:
                reader = Slice(path)
            except Overloaded:
                if path.exists():
                    raise
                continue
            stack.callback(reader.close)
            if not reader.empty:
                stack.enter_context(reader.snapshot())
                readers.append(reader)
        return readers


def slices(folder: Path) -> Iterator[tuple[str, Path]]:
    """The month and file of each slice."""
    for path in folder.glob("*.db"):
        found = _FILE.fullmatch(path.name)
        if found:
            yield found[1], path


def _remove(folder: Path) -> None:
    # another process may be at the same leftover
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            path.unlink(missing_ok=True)
        folder.rmdir()


def _unlink(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
