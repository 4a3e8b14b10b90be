"""Which signals have been counted lately, on disk, so that a sender's repeats are counted once."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from collectors.bus.contract import Overloaded

WINDOW = 24 * 3600.0
"""Seconds of receipt within which the same signal is a repeat."""
KEPT = 2 * WINDOW
"""Seconds of the signals log for which it is remembered; detection may lag behind receipt."""
CACHE_KIB = 8192


class Seen:
    """A scratch file: made anew by every process and filled again from the signals log.

    Raises Overloaded where the disk takes no more.
    """

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        self._path = path
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # nothing here has to survive a crash, but a full disk must not spoil it
        self._connection.execute("PRAGMA journal_mode = MEMORY")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._connection.execute(
            "CREATE TABLE seen(tenant TEXT, id BLOB, received REAL, taken REAL,"
            " PRIMARY KEY(tenant, id)) WITHOUT ROWID"
        )
        self._connection.execute("CREATE INDEX age ON seen(tenant, taken)")

    def is_new(self, tenant: str, id_: str, *, received: float, taken: float) -> bool:
        """Remember a signal; False where one with its id was received within WINDOW of it.

        `received` is the event's receipt, `taken` when the bus took the signal; Unix seconds.
        """
        with self._failures():
            changed = self._connection.execute(
                "INSERT INTO seen VALUES (?, ?, ?, ?) ON CONFLICT(tenant, id) DO UPDATE"
                " SET received = excluded.received, taken = excluded.taken"
                " WHERE abs(received - excluded.received) > ?",
                (tenant, bytes.fromhex(id_), received, taken, WINDOW),
            )
            return changed.rowcount > 0

    def drop_old(self, tenant: str, now: float) -> None:
        """Forget what no repeat can be of any more, `now` by the signals log."""
        with self._failures():
            self._connection.execute(
                "DELETE FROM seen WHERE tenant = ? AND taken < ?", (tenant, now - KEPT)
            )

    def forget(self, tenant: str) -> None:
        """Forget a tenant: its log will be read again, or somebody else reads it."""
        with self._failures():
            self._connection.execute("DELETE FROM seen WHERE tenant = ?", (tenant,))

    def close(self) -> None:
        """Remove the file."""
        self._connection.close()
        self._path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
                raise
            raise Overloaded(f"{self._path} can't be written: {error}") from error
