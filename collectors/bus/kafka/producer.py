"""Appending: records wait in memory, and a flush hands them to Kafka and waits for all of it."""

import itertools
import time
import zlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError

from collectors.bus.contract import VALUE_LIMIT, Malformed, NoTopic, Overloaded
from collectors.bus.kafka.client import connected
from collectors.bus.kafka.cluster import Cluster
from collectors.bus.kafka.reach import reaching

KEY_LIMIT: Final = 1000
BUFFER_RECORDS: Final = 100_000
ROOM: Final = 64 * 1024
"""Bytes that a record may have beyond its value."""
BATCH_BYTES: Final = 512 * 1024
ABANDON: Final = 10.0
LOOK_EVERY: Final = 0.5
"""Seconds to wait for Kafka before looking whether a topic is still there."""


class Waiting(NamedTuple):
    """One record until the flush."""

    topic: str
    number: int
    key: bytes
    headers: list[tuple[str, bytes]]
    value: bytes


class Client(KafkaProducer):  # type: ignore[misc]  # kafka-python has no types
    """A producer that can be let go of while it still has something to send."""

    def abandon(self) -> None:
        """Send nothing more; close() alone would wait for a broker that may never come back."""
        self._sender.force_close()
        self.close(timeout=ABANDON)


class KafkaBusProducer:
    """See collectors.bus.contract.Producer."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._client: Client | None = None
        self._counts: dict[str, int] = {}
        self._counted = 0.0
        self._turn = itertools.count()
        self._met: set[str] = set()
        """Topics that the client knows."""
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
        record = Waiting(topic, number, *_checked(key, headers), value)
        size = len(value) + len(key) + sum(len(name) + len(text) for name, text in record.headers)
        full = self._size + size > self._cluster.settings.buffer_bytes
        if self._waiting and (full or len(self._waiting) >= BUFFER_RECORDS):
            raise Overloaded(
                f"{len(self._waiting):,} records of {self._size:,} bytes wait for a flush; "
                "flush first"
            )
        self._waiting.append(record)
        self._size += size

    def flush(self) -> None:
        """See Producer."""
        if time.monotonic() > self._counted + self._cluster.settings.look:
            self._counts.clear()
        if not self._waiting:
            return
        waiting = self._waiting
        self._forget()
        done = False
        try:
            with reaching("append records"):
                done = self._append(waiting)
        finally:
            if not done:
                # what waits in the client must not come after what its user sends again
                self._let_go()

    def close(self) -> None:
        """See Producer."""
        try:
            self.flush()
        finally:
            self._let_go()

    def _append(self, waiting: list[Waiting]) -> bool:
        """Hand all over and wait; False where a topic went meanwhile, and its records with it."""
        topics = {record.topic for record in waiting}
        gone = {topic for topic in topics - self._met if not self._cluster.count(topic)}
        self._met |= topics - gone
        futures = [(r.topic, self._post(r)) for r in waiting if r.topic not in gone]
        deadline = time.monotonic() + self._cluster.settings.wait
        while not self._all_done():
            gone |= {topic for topic in topics - gone if not self._cluster.count(topic)}
            if all(future.is_done for topic, future in futures if topic not in gone):
                break
            if time.monotonic() > deadline:
                raise Overloaded("Kafka did not confirm what was sent in time; see the brokers")
        for topic, future in futures:
            if topic not in gone and future.failed():
                raise future.exception
        for topic in gone:
            self._counts.pop(topic, None)
        return not gone

    def _post(self, record: Waiting) -> Any:
        """Give one record to the client, which learns late of partitions that are new."""
        try:
            return self._give(record)
        except ValueError:
            self._let_go()
            return self._give(record)

    def _give(self, record: Waiting) -> Any:
        return self._connected().send(
            self._cluster.full(record.topic),
            value=record.value,
            key=record.key,
            headers=record.headers,
            partition=record.number,
        )

    def _all_done(self) -> bool:
        if self._client is None:
            return True
        try:
            self._client.flush(timeout=LOOK_EVERY)
        except KafkaTimeoutError:
            return False
        return True

    def _connected(self) -> Client:
        if self._client is None:
            settings = self._cluster.settings
            self._client = connected(
                Client,
                **settings.client(),
                acks="all",
                enable_idempotence=True,
                compression_type="lz4",
                linger_ms=5,
                batch_size=BATCH_BYTES,
                max_request_size=VALUE_LIMIT + ROOM,
                max_block_ms=int(settings.wait * 1000),
                delivery_timeout_ms=int(settings.wait * 2000),
                metrics_enabled=False,
            )
        return self._client

    def _let_go(self) -> None:
        client, self._client = self._client, None
        self._met.clear()
        if client is not None:
            client.abandon()

    def _forget(self) -> None:
        self._waiting: list[Waiting] = []
        self._size = 0

    def _number(self, topic: str, key: str, partition: int | None) -> int:
        count = self._counts.get(topic) or self._look_up(topic)
        if partition is None:
            return (
                zlib.crc32(key.encode("utf-8", "replace")) % count
                if key
                else next(self._turn) % count
            )
        if not 0 <= partition < count:
            count = self._look_up(topic)
        if not 0 <= partition < count:
            raise Malformed(f"{topic} has partitions 0 to {count - 1}, not {partition}")
        return partition

    def _look_up(self, topic: str) -> int:
        count = self._cluster.count(topic)
        if not count:
            raise NoTopic(f"no topic called {topic!r}; create it first")
        self._counts[topic] = count
        self._counted = time.monotonic()
        return count


def _checked(key: str, headers: Mapping[str, str] | None) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Key and headers as Kafka takes them. Raises Malformed for text that is none."""
    try:
        encoded = key.encode()
        pairs = [(name, text.encode()) for name, text in (headers or {}).items()]
        size = len(key) + sum(len(name.encode()) + len(text) for name, text in pairs)
    except UnicodeEncodeError as error:
        raise Malformed(f"a record's key and headers are Unicode text: {error}") from error
    if size > KEY_LIMIT:
        raise Malformed(f"a record's key and headers have at most {KEY_LIMIT:,} characters")
    return encoded, pairs
