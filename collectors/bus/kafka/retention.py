"""Removing old records, but none that the slowest known group has still to read."""

import time
from array import array
from collections.abc import Mapping

from kafka import TopicPartition

from collectors.bus.contract import Partition, Position, Retention
from collectors.bus.kafka import book
from collectors.bus.kafka.cluster import EARLIEST, LATEST, Cluster
from collectors.bus.kafka.peek import Peek
from collectors.bus.kafka.reach import reaching


class Sizes:
    """How large each kept record of a partition is; read once, 4 bytes of memory a record."""

    def __init__(self) -> None:
        self.start = 0
        self._bytes = array("I")

    def over(self, peek: Peek, place: TopicPartition, span: tuple[int, int], limit: int) -> int:
        """The first offset from which on the partition has at most `limit` bytes of values."""
        start, end = span
        known = self.start + len(self._bytes)
        if known > end or self.start > start:
            # a topic of the same name, made anew
            self._bytes, known = array("I"), start
        else:
            del self._bytes[: start - self.start]
        self.start = start
        for _, size in peek.sizes(place, max(known, start), end):
            self._bytes.append(size)
        surplus = sum(self._bytes) - limit
        offset = start
        for size in self._bytes:
            if surplus <= 0:
                break
            surplus -= size
            offset += 1
        return offset


class Keeper:
    """Enforces what each topic keeps. Not shared between threads."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._peek = Peek(cluster.settings)
        self._sizes: dict[TopicPartition, Sizes] = {}

    def enforce(self) -> int:
        """Remove what no topic keeps now; the number of records removed. Raises Overloaded."""
        book.renew(self._cluster)
        rules = book.kept(self._cluster)
        topics = self._cluster.topics()
        places = {
            self._cluster.place(Partition(topic, number)): rule
            for topic, rule in rules.items()
            for number in range(topics.get(topic, 0))
        }
        starts = self._cluster.offsets(list(places), EARLIEST)
        ends = self._cluster.offsets(list(starts), LATEST)
        spans = {place: (starts[place], ends[place]) for place in ends}
        unread = self._unread(spans)
        aims = {
            place: min(self._unkept(place, span, places[place], topics), unread[place])
            for place, span in spans.items()
        }
        aims = {place: aim for place, aim in aims.items() if aim > starts[place]}
        if aims:
            with reaching("remove records"):
                self._cluster.admin.delete_records(aims)
        return sum(aim - starts[place] for place, aim in aims.items())

    def close(self) -> None:
        """Let go of the connection."""
        self._peek.close()

    def _unkept(
        self,
        place: TopicPartition,
        span: tuple[int, int],
        rule: Retention,
        topics: Mapping[str, int],
    ) -> int:
        """The first offset that the topic's rule keeps."""
        start, end = span
        aim = start
        if rule.seconds is not None and start < end:
            oldest = int((time.time() - rule.seconds) * 1000)
            found = self._cluster.offsets([place], max(oldest, 0)).get(place, start)
            aim = end if found < 0 else max(found, start)
        if rule.bytes is not None and start < end:
            part = rule.bytes // topics[self._cluster.partition(place).topic]
            sizes = self._sizes.setdefault(place, Sizes())
            aim = max(aim, sizes.over(self._peek, place, span, part))
        return aim

    def _unread(self, spans: Mapping[TopicPartition, tuple[int, int]]) -> dict[TopicPartition, int]:
        """The first offset that some known group which reads the topic has not read."""
        groups = book.groups(self._cluster)
        stored = self._cluster.stored_by(list(groups))
        found = {place: end for place, (_, end) in spans.items()}
        for group, prefixes in groups.items():
            for place, before in found.items():
                partition = self._cluster.partition(place)
                if partition.topic.startswith(tuple(prefixes)):
                    at = stored[group].get(partition, Position(0)).offset
                    found[place] = min(before, at)
        return found
