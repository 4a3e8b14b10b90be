"""The embedded broker: topics and groups in one file, and the way to read and write them."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from collectors.bus.contract import Lag, Overloaded, Partition, Position, Retention
from collectors.bus.embedded.consumer import EmbeddedConsumer
from collectors.bus.embedded.file import BusFile
from collectors.bus.embedded.logs import record_time
from collectors.bus.embedded.producer import EmbeddedProducer
from collectors.bus.embedded.retention import enforce, remove_doomed

LEASE = 60.0
"""Seconds without a poll after which a member is dropped; a process that ended is at once."""
BUFFER_BYTES = 32 * 1024 * 1024
WAIT = 10.0
"""Seconds to wait for another writer before it counts as overload."""


class EmbeddedBus:
    """See collectors.bus.contract.Bus.

    Any number of processes and threads of one machine may open the same file. `limit` is the
    most bytes that the file may have; beyond it the bus is overloaded until retention makes room.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        clock: Callable[[], float] = time.time,
        lease: float = LEASE,
        limit: int | None = None,
        buffer_bytes: int = BUFFER_BYTES,
        wait: float = WAIT,
    ) -> None:
        self._path = Path(path)
        self._clock = clock
        self._lease = lease
        self._limit = limit
        self._buffer_bytes = buffer_bytes
        self._wait = wait
        self._lock = threading.Lock()
        self._file = self._open()
        self._make()

    def create_topic(self, name: str, *, partitions: int, retention: Retention) -> None:
        """See Bus. Raises ValueError for a name or a number that can be no topic's."""
        if not name or not name.isprintable() or partitions < 1:
            raise ValueError(f"a topic has a name and partitions: not {name!r} with {partitions}")
        with self._lock, self._file.writing() as connection:
            connection.execute(
                "INSERT INTO topics VALUES (?, ?, ?)"
                " ON CONFLICT(name) DO UPDATE"
                " SET seconds = excluded.seconds, bytes = excluded.bytes",
                (name, retention.seconds, retention.bytes),
            )
            made = connection.executemany(
                "INSERT OR IGNORE INTO logs(topic, number) VALUES (?, ?)",
                [(name, number) for number in range(partitions)],
            ).rowcount
            if made:
                connection.execute("UPDATE state SET topics = topics + 1")

    def delete_topic(self, name: str) -> None:
        """See Bus."""
        with self._lock:
            with self._file.writing() as connection:
                connection.execute(
                    "INSERT INTO doomed SELECT id FROM logs WHERE topic = ?", (name,)
                )
                connection.execute("DELETE FROM owners WHERE log IN doomed")
                connection.execute("DELETE FROM positions WHERE log IN doomed")
                connection.execute("DELETE FROM logs WHERE topic = ?", (name,))
                connection.execute("DELETE FROM topics WHERE name = ?", (name,))
                connection.execute("UPDATE state SET topics = topics + 1")
            remove_doomed(self._file)

    def topics(self) -> Mapping[str, int]:
        """See Bus."""
        with self._lock:
            return dict(self._file.query("SELECT topic, count(*) FROM logs GROUP BY topic"))

    def ends(self, topic: str) -> Sequence[tuple[int, int]]:
        """See Bus. Empty for an unknown topic."""
        with self._lock:
            rows = self._file.query(
                "SELECT start, next FROM logs WHERE topic = ? ORDER BY number", (topic,)
            )
            return [(start, end) for start, end in rows]

    def group_lag(self) -> Mapping[str, Lag]:
        """See Bus."""
        with self._lock:
            rows = self._file.query(
                "SELECT DISTINCT s.grp, l.id, max(coalesce(p.offset, 0), l.start), l.next"
                " FROM subscriptions AS s"
                " JOIN logs AS l ON substr(l.topic, 1, length(s.prefix)) = s.prefix"
                " LEFT JOIN positions AS p ON p.grp = s.grp AND p.log = l.id"
            )
            now = self._clock()
            lags: dict[str, Lag] = {}
            for group, log, offset, end in rows:
                taken = record_time(self._file, log, offset) if offset < end else None
                age = max(now - taken, 0.0) if taken is not None else 0.0
                before = lags.get(group, Lag(0, 0.0))
                lags[group] = Lag(
                    before.records + max(end - offset, 0), max(before.oldest_seconds, age)
                )
            return lags

    def positions(self, group: str) -> Mapping[Partition, Position]:
        """See Bus."""
        with self._lock:
            rows = self._file.query(
                "SELECT l.topic, l.number, p.offset, p.note FROM positions AS p"
                " JOIN logs AS l ON l.id = p.log WHERE p.grp = ?",
                (group,),
            )
            return {
                Partition(topic, number): Position(offset, note)
                for topic, number, offset, note in rows
            }

    def forget_group(self, group: str) -> None:
        """Let a group that will not come back keep records from retention no longer."""
        with self._lock, self._file.writing() as connection:
            for table in ("subscriptions", "positions", "owners", "members"):
                connection.execute(f"DELETE FROM {table} WHERE grp = ?", (group,))  # noqa: S608
            connection.execute("UPDATE state SET members = members + 1")

    def enforce_retention(self) -> int:
        """See Bus. Raises Overloaded."""
        with self._lock:
            remove_doomed(self._file)
            return enforce(self._file, self._clock())

    def producer(self) -> EmbeddedProducer:
        """See Bus."""
        return EmbeddedProducer(self._open(), self._clock, self._buffer_bytes)

    def consumer(
        self,
        group: str,
        topics: str,
        *,
        on_assigned: Callable[[frozenset[Partition]], None] | None = None,
        on_revoked: Callable[[frozenset[Partition]], None] | None = None,
    ) -> EmbeddedConsumer:
        """See Bus."""
        return EmbeddedConsumer(
            self._open(), group, topics, self._clock, self._lease, on_assigned, on_revoked
        )

    def close(self) -> None:
        """Let go of the bus's own connection; producers and consumers are closed by their users."""
        with self._lock:
            self._file.close()

    def _open(self) -> BusFile:
        return BusFile(self._path, wait=self._wait, limit=self._limit)

    def _make(self) -> None:
        """Make the file; processes that do so at once wait for each other."""
        deadline = time.monotonic() + self._wait
        while True:
            try:
                self._file.query("SELECT 1")
            except Overloaded:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.01)
            else:
                return
