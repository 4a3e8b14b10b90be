"""Appending: records wait in memory, and one transaction makes all of them durable."""

import itertools
import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from collectors.bus.contract import VALUE_LIMIT, Malformed, NoTopic, Overloaded
from collectors.bus.embedded.file import BusFile
from collectors.bus.embedded.logs import encode_headers, row_id

KEY_LIMIT: Final = 1000
BUFFER_RECORDS: Final = 100_000

Waiting = tuple[str, str | None, bytes]
"""Key, headers, value."""


class EmbeddedProducer:
    """See collectors.bus.contract.Producer."""

    def __init__(self, file: BusFile, clock: Callable[[], float], buffer_bytes: int) -> None:
        self._file = file
        self._clock = clock
        self._buffer_bytes = buffer_bytes
        self._topics: dict[str, int] = {}
        self._topics_version = -1
        self._turn = itertools.count()
        self._forget()

    def send(
        self,
        topic: str,
        value: bytes,
        *,
        key: str = "",
        headers: Mapping[str, str] | None = None,
        partition: int | None = None,
    ) -> None:
        """See Producer."""
        if len(value) > VALUE_LIMIT:
            raise Malformed(
                f"a record for {topic} has {len(value):,} bytes, the limit is {VALUE_LIMIT:,}; "
                "split it at line ends"
            )
        number = self._number(topic, key, partition)
        text = _checked(key, headers)
        size = len(value) + len(key) + len(text or "")
        full = self._size + size > self._buffer_bytes or self._count >= BUFFER_RECORDS
        if full and self._count:
            raise Overloaded(
                f"{self._count:,} records of {self._size:,} bytes wait for a flush; flush first"
            )
        self._waiting[topic, number].append((key, text, value))
        self._size += size
        self._count += 1

    def flush(self) -> None:
        """See Producer."""
        if not self._count:
            return
        waiting = self._waiting
        self._forget()
        with self._file.writing() as connection:
            now = self._clock()
            for (topic, number), records in waiting.items():
                _append(connection, topic, number, records, now)
            version = connection.execute("SELECT topics FROM state").fetchone()[0]
        if version != self._topics_version:
            self._topics.clear()

    def close(self) -> None:
        """See Producer."""
        try:
            self.flush()
        finally:
            self._file.close()

    def _forget(self) -> None:
        self._waiting: defaultdict[tuple[str, int], list[Waiting]] = defaultdict(list)
        self._size = 0
        self._count = 0

    def _number(self, topic: str, key: str, partition: int | None) -> int:
        count = self._topics.get(topic) or self._look_up(topic)
        if partition is None:
            return (
                zlib.crc32(key.encode("utf-8", "replace")) % count
                if key
                else (next(self._turn) % count)
            )
        if not 0 <= partition < count:
            count = self._look_up(topic)
        if not 0 <= partition < count:
            raise Malformed(f"{topic} has partitions 0 to {count - 1}, not {partition}")
        return partition

    def _look_up(self, topic: str) -> int:
        with self._file.reading() as connection:
            self._topics_version = connection.execute("SELECT topics FROM state").fetchone()[0]
            self._topics = dict(
                connection.execute("SELECT topic, count(*) FROM logs GROUP BY topic").fetchall()
            )
        if topic not in self._topics:
            raise NoTopic(f"no topic called {topic!r}; create it first")
        return self._topics[topic]


def _checked(key: str, headers: Mapping[str, str] | None) -> str | None:
    """The headers as they are stored. Raises Malformed for text that is none."""
    try:
        key.encode()
        text = encode_headers(headers)
    except UnicodeEncodeError as error:
        raise Malformed(f"a record's key and headers are Unicode text: {error}") from error
    if len(key) + len(text or "") > KEY_LIMIT:
        raise Malformed(f"a record's key and headers have at most {KEY_LIMIT:,} characters")
    return text


def _append(
    connection: sqlite3.Connection, topic: str, number: int, records: list[Waiting], now: float
) -> None:
    """Append to one log; a topic deleted meanwhile takes its records with it."""
    found = connection.execute(
        "SELECT id, next, max(time, ?) FROM logs WHERE topic = ? AND number = ?",
        (now, topic, number),
    ).fetchone()
    if found is None:
        return
    log, start, time = found

    def rows() -> Iterator[tuple[int, float, str, str | None, bytes]]:
        for row, (key, headers, value) in enumerate(records, row_id(log, start)):
            yield row, time, key, headers, value

    connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", rows())
    connection.execute(
        "UPDATE logs SET next = next + ?, bytes = bytes + ?, time = ? WHERE id = ?",
        (len(records), sum(len(value) for _, _, value in records), time, log),
    )
