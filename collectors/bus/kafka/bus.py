"""A Kafka cluster: topics and groups, and the way to read and write them."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from kafka.errors import (
    InvalidPartitionsError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)

from collectors.bus.contract import (
    VALUE_LIMIT,
    Lag,
    Overloaded,
    Partition,
    Position,
    Retention,
)
from collectors.bus.kafka import book
from collectors.bus.kafka.cluster import EARLIEST, LATEST, Cluster
from collectors.bus.kafka.consumer import KafkaBusConsumer
from collectors.bus.kafka.peek import Peek
from collectors.bus.kafka.producer import ROOM, KafkaBusProducer
from collectors.bus.kafka.reach import reaching
from collectors.bus.kafka.retention import Keeper
from collectors.bus.kafka.settings import KafkaSettings


class KafkaBus:
    """See collectors.bus.contract.Bus. It connects when it is first asked something."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._cluster = Cluster(settings)
        self._lock = threading.Lock()
        self._peek = Peek(settings)
        self._keeper = Keeper(self._cluster)

    def create_topic(self, name: str, *, partitions: int, retention: Retention) -> None:
        """See Bus. Raises ValueError for a name or a number that can be no topic's."""
        if not name or not name.isprintable() or partitions < 1:
            raise ValueError(f"a topic has a name and partitions: not {name!r} with {partitions}")
        count = self._cluster.count(name)
        if not count:
            self._make(name, partitions)
            count = partitions
        if count < partitions:
            self._grow(name, partitions)
        book.keep(self._cluster, name, retention)

    def delete_topic(self, name: str) -> None:
        """See Bus."""
        try:
            with reaching("delete a topic"):
                self._cluster.admin.delete_topics([self._cluster.full(name)])
        except Overloaded as error:
            if not isinstance(error.__cause__, UnknownTopicOrPartitionError):
                raise
        self._cluster.wait_until_count(name, 0)

    def topics(self) -> Mapping[str, int]:
        """See Bus."""
        return self._cluster.topics()

    def ends(self, topic: str) -> Sequence[tuple[int, int]]:
        """See Bus. Empty for an unknown topic."""
        count = self._cluster.count(topic)
        places = [self._cluster.place(Partition(topic, number)) for number in range(count)]
        starts = self._cluster.offsets(places, EARLIEST)
        ends = self._cluster.offsets(places, LATEST)
        return [(starts[place], ends[place]) for place in places if place in starts.keys() & ends]

    def group_lag(self) -> Mapping[str, Lag]:
        """See Bus."""
        groups = book.groups(self._cluster)
        stored = self._cluster.stored_by(list(groups))
        places = [
            self._cluster.place(Partition(topic, number))
            for topic, count in self._cluster.topics().items()
            for number in range(count)
        ]
        starts = self._cluster.offsets(places, EARLIEST)
        ends = self._cluster.offsets(list(starts), LATEST)
        lags: dict[str, Lag] = {}
        for group, prefixes in groups.items():
            at = {
                place: max(
                    stored[group].get(self._cluster.partition(place), Position(0)).offset,
                    starts[place],
                )
                for place in ends
                if self._cluster.partition(place).topic.startswith(tuple(prefixes))
            }
            unread = {place: offset for place, offset in at.items() if offset < ends[place]}
            with self._lock:
                taken = self._peek.times(unread)
            lags[group] = Lag(
                sum(ends[place] - offset for place, offset in unread.items()),
                max(time.time() - min(taken.values(), default=time.time()), 0.0),
            )
        return lags

    def positions(self, group: str) -> Mapping[Partition, Position]:
        """See Bus."""
        return self._cluster.stored(group)

    def forget_group(self, group: str) -> None:
        """Let a group that will not come back keep records from retention no longer."""
        book.forget(self._cluster, group)

    def enforce_retention(self) -> int:
        """See Bus. Raises Overloaded."""
        with self._lock:
            return self._keeper.enforce()

    def producer(self) -> KafkaBusProducer:
        """See Bus."""
        return KafkaBusProducer(self._cluster)

    def consumer(
        self,
        group: str,
        topics: str,
        *,
        on_assigned: Callable[[frozenset[Partition]], None] | None = None,
        on_revoked: Callable[[frozenset[Partition]], None] | None = None,
    ) -> KafkaBusConsumer:
        """See Bus. Raises Overloaded."""
        book.join(self._cluster, group, topics)
        return KafkaBusConsumer(self._cluster, group, topics, on_assigned, on_revoked)

    def close(self) -> None:
        """Let go of the bus's own connections; producers and consumers are closed before it."""
        with self._lock:
            self._peek.close()
            self._keeper.close()
        self._cluster.close()

    def _make(self, name: str, partitions: int) -> None:
        shape = {
            "num_partitions": partitions,
            "replication_factor": self._settings.replication,
            "configs": _configs(self._settings),
        }
        try:
            with reaching("make a topic"):
                self._cluster.admin.create_topics(
                    {self._cluster.full(name): shape}, wait_for_metadata=True
                )
        except TopicAlreadyExistsError:
            # another stage has just made it, with the same settings
            self._cluster.wait_until_count(name, partitions)

    def _grow(self, name: str, partitions: int) -> None:
        try:
            with reaching("add partitions"):
                self._cluster.admin.create_partitions({self._cluster.full(name): partitions})
        except InvalidPartitionsError:
            if self._cluster.count(name) < partitions:
                raise
        self._cluster.wait_until_count(name, partitions)


def _configs(settings: KafkaSettings) -> dict[str, str]:
    """A topic's own settings: time is the broker's, and only we remove records."""
    return {
        "message.timestamp.type": "LogAppendTime",
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "max.message.bytes": str(VALUE_LIMIT + ROOM),
        "min.insync.replicas": str(max(settings.replication - 1, 1)),
    }
