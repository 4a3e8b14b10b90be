"""What can be asked of the cluster: its topics, how far they reach, and what groups have stored."""

import threading
import time
from collections.abc import Mapping, Sequence

from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import NoError, UnknownTopicOrPartitionError
from kafka.structs import OffsetAndMetadata

from collectors.bus.contract import Overloaded, Partition, Position
from collectors.bus.kafka.client import connected
from collectors.bus.kafka.reach import patiently, reaching
from collectors.bus.kafka.settings import KafkaSettings

EARLIEST = -2
LATEST = -1
GROUPS_TOPIC = "citysoc.groups"
"""An empty topic that our notes on groups stand beside; no topic of the bus."""
LOOK = 0.05


class Cluster:
    """One connection to the cluster, for any number of threads."""

    def __init__(self, settings: KafkaSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._admin: KafkaAdminClient | None = None

    @property
    def admin(self) -> KafkaAdminClient:
        """The client, connected on first use. Raises Overloaded."""
        with self._lock:
            if self._admin is None:
                with reaching("be reached"):
                    self._admin = connected(KafkaAdminClient, **self.settings.client())
            return self._admin

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            if self._admin is not None:
                self._admin.close()
                self._admin = None

    def full(self, name: str) -> str:
        """The name that a topic or group of ours has in the cluster."""
        return self.settings.prefix + name

    def place(self, partition: Partition) -> TopicPartition:
        """The cluster's word for a partition of ours."""
        return TopicPartition(self.full(partition.topic), partition.number)

    def partition(self, place: TopicPartition) -> Partition:
        """Our word for a partition of the cluster."""
        return Partition(place.topic[len(self.settings.prefix) :], place.partition)

    def topics(self) -> dict[str, int]:
        """Our topics with their partitions, without the prefix."""
        with reaching("list topics"):
            found = self.admin.describe_topics()
        return {
            topic["name"][len(self.settings.prefix) :]: len(topic["partitions"])
            for topic in found
            if topic["name"].startswith(self.settings.prefix)
            and not topic["is_internal"]
            and not topic["error_code"]
            and topic["name"] != self.full(GROUPS_TOPIC)
        }

    def count(self, topic: str) -> int:
        """How many partitions a topic of ours has; 0 for none."""
        with reaching("describe a topic"):
            found = self.admin.describe_topics([self.full(topic)])
        return sum(len(each["partitions"]) for each in found if not each["error_code"])

    def offsets(self, places: Sequence[TopicPartition], at: int) -> dict[TopicPartition, int]:
        """Per partition the offset at EARLIEST, LATEST, or of the first record from `at` ms on.

        -1 where no record is that young. A topic that is gone has none.
        """
        if not places:
            return {}
        try:
            with reaching("look up offsets"):
                found = self.admin.list_partition_offsets(dict.fromkeys(places, at))
        except Overloaded as error:
            if not isinstance(error.__cause__, UnknownTopicOrPartitionError):
                raise
            topics = self.topics()
            here = [p for p in places if self.partition(p).topic in topics]
            if len(here) == len(places):
                raise
            return self.offsets(here, at)
        return {place: answer.offset for place, answer in found.items()}

    def stored(self, group: str) -> Mapping[Partition, Position]:
        """What a group has stored."""
        return self.stored_by([group])[group]

    def stored_by(self, groups: Sequence[str]) -> Mapping[str, Mapping[Partition, Position]]:
        """What each of these groups has stored."""
        if not groups:
            return {}
        names = {self.full(group): group for group in groups}
        found = patiently(
            "read positions",
            self.settings.wait,
            lambda: self.admin.list_group_offsets(list(names)),
        )
        return {
            group: {
                self.partition(place): Position(stored.offset, stored.metadata or "")
                for place, stored in found.get(name, {}).items()
                if stored.offset >= 0
            }
            for name, group in names.items()
        }

    def store(self, group: str, partition: Partition, note: str) -> None:
        """Store a note for a group that has no members. Raises Overloaded."""
        place = self.place(partition)

        def store() -> None:
            offsets = {place: OffsetAndMetadata(0, note, -1)}
            done = self.admin.alter_group_offsets(self.full(group), offsets)
            if done[place] is not NoError:
                raise done[place](f"for {group} at {partition}")

        patiently("store a note", self.settings.wait, store)

    def wait_until_count(self, topic: str, count: int) -> None:
        """Return once every broker we ask knows the topic so. Raises Overloaded."""
        deadline = time.monotonic() + self.settings.wait
        while self.count(topic) != count:
            if time.monotonic() > deadline:
                raise Overloaded(f"Kafka did not bring {topic} to {count} partitions in time")
            time.sleep(LOOK)
        if count:
            with reaching("elect leaders"):
                self.admin.wait_for_topics([self.full(topic)])
