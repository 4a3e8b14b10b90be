"""Reading: one member of a group, its place in each partition, and what it does when they move."""

import contextlib
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import (
    CommitFailedError,
    FencedInstanceIdError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from kafka.structs import OffsetAndMetadata, TopicPartition

from collectors.bus.contract import Lag, Malformed, Partition, Position, Record
from collectors.bus.kafka.client import connected
from collectors.bus.kafka.cluster import EARLIEST, GROUPS_TOPIC, LATEST, Cluster
from collectors.bus.kafka.member import Listener, Member, Moved
from collectors.bus.kafka.peek import Peek
from collectors.bus.kafka.reach import reaching
from collectors.bus.kafka.shelf import Shelf

NOTE_LIMIT: Final = 1000
SETTLE: Final = 0.2
"""Seconds that a poll may take at least while the group shares out anew."""
SLICE: Final = 0.25
FETCH_RECORDS: Final = 10_000
FETCH_BYTES: Final = 8 * 1024 * 1024
PROBE_EVERY: Final = 3.0
"""Seconds without a record after which a poll asks whether the brokers are there."""

Called = Callable[[frozenset[Partition]], None]


class KafkaBusConsumer:
    """See collectors.bus.contract.Consumer."""

    def __init__(
        self,
        cluster: Cluster,
        group: str,
        topics: str,
        on_assigned: Called | None,
        on_revoked: Called | None,
    ) -> None:
        self._cluster = cluster
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._held: set[Partition] = set()
        self._paused: set[Partition] = set()
        self._late: dict[TopicPartition, OffsetAndMetadata] = {}
        """Positions that Kafka would not take while the group was sharing out anew."""
        self._shelf = Shelf()
        self._stopped: set[Partition] = set()
        """What Kafka is asked to send nothing of: paused, or enough of it is here."""
        self._probe_due = time.monotonic() + PROBE_EVERY
        self._peek = Peek(cluster.settings)
        with reaching("be reached"):
            self._member = _member(cluster, group)
        self._member.subscribe(pattern=_pattern(cluster, topics), listener=Listener(self._member))

    def poll(self, timeout: float, limit: int = 500) -> Sequence[Record]:
        """See Consumer."""
        deadline = time.monotonic() + timeout
        while True:
            self._move()
            self._store()
            self._fetch(deadline - time.monotonic())
            records = self._shelf.take(limit, self._held - self._paused)
            if records:
                self._probe_due = time.monotonic() + PROBE_EVERY
                return records
            self._probe()
            if time.monotonic() >= deadline:
                self._move()
                return records

    def commit(self, positions: Mapping[Partition, Position]) -> None:
        """See Consumer."""
        for partition, position in positions.items():
            _check_note(partition, position.note)
        offsets = {
            self._cluster.place(partition): OffsetAndMetadata(position.offset, position.note, -1)
            for partition, position in positions.items()
            if partition in self._held
        }
        self._late.update(offsets)
        self._store()

    def committed(self, partition: Partition) -> Position | None:
        """See Consumer."""
        with reaching("read a position"):
            found = self._member.committed(
                self._cluster.place(partition), metadata=True, timeout_ms=self._wait_ms()
            )
        return None if found is None else Position(found.offset, found.metadata or "")

    def assigned(self) -> frozenset[Partition]:
        """See Consumer."""
        return frozenset(self._held)

    def seek(self, partition: Partition, offset: int) -> None:
        """See Consumer. Raises ValueError for a partition that is not assigned."""
        self._check_held(partition)
        start, end = self._span(partition)
        self._go(partition, min(max(offset, start), end))

    def seek_time(self, partition: Partition, time: float) -> None:
        """See Consumer. Raises ValueError for a partition that is not assigned."""
        self._check_held(partition)
        place = self._cluster.place(partition)
        # Kafka's times are whole milliseconds, and a float holds one not quite exactly
        found = self._cluster.offsets([place], max(math.ceil(round(time * 1000, 3)), 0))
        start, end = self._span(partition)
        offset = found.get(place, start)
        self._go(partition, end if offset < 0 else max(offset, start))

    def pause(self, partitions: Sequence[Partition]) -> None:
        """See Consumer."""
        self._paused.update(partitions)

    def resume(self, partitions: Sequence[Partition]) -> None:
        """See Consumer."""
        self._paused.difference_update(partitions)

    def lag(self) -> Mapping[Partition, Lag]:
        """See Consumer."""
        places = {self._cluster.place(partition): partition for partition in self._held}
        starts = self._cluster.offsets(list(places), EARLIEST)
        ends = self._cluster.offsets(list(starts), LATEST)
        nexts = {place: max(self._next(places[place]), starts[place]) for place in ends}
        unread = {place: offset for place, offset in nexts.items() if offset < ends[place]}
        times = self._peek.times(unread)
        now = time.time()
        return {
            places[place]: Lag(
                max(ends[place] - offset, 0),
                max(now - times[place], 0.0) if place in times else 0.0,
            )
            for place, offset in nexts.items()
        }

    def close(self) -> None:
        """See Consumer."""
        self._held.clear()
        self._peek.close()
        with reaching("be told that we leave"):
            self._member.close(autocommit=False, timeout_ms=self._wait_ms())

    def _store(self) -> None:
        """Store what is still ours; while the group shares out anew, the next poll does it."""
        here = {self._cluster.place(partition) for partition in self._held}
        self._late = {place: kept for place, kept in self._late.items() if place in here}
        if not self._late:
            return
        try:
            with reaching("store positions"):
                self._member.commit(self._late, timeout_ms=self._wait_ms())
        except RebalanceInProgressError:
            return
        except (
            CommitFailedError,
            FencedInstanceIdError,
            IllegalGenerationError,
            UnknownMemberIdError,
        ):
            pass
        self._late = {}

    def _move(self) -> None:
        """Hand over what is gone, begin what came; what could not begin is begun next time."""
        if self._held and self._member.out:
            self._revoke(frozenset(self._held))
        while self._member.moves:
            move = self._member.moves[0]
            partitions = frozenset(map(self._cluster.partition, move.places))
            if move.kind == "gone":
                self._revoke(partitions & self._held)
            else:
                self._assign(partitions)
            del self._member.moves[0]

    def _revoke(self, partitions: frozenset[Partition]) -> None:
        if partitions and self._on_revoked is not None:
            self._on_revoked(partitions)
        self._drop(partitions)

    def _drop(self, partitions: frozenset[Partition]) -> None:
        self._held -= partitions
        self._paused -= partitions
        self._stopped -= partitions
        self._shelf.drop(partitions)

    def _assign(self, partitions: frozenset[Partition]) -> None:
        places = {self._cluster.place(partition): partition for partition in partitions}
        here = self._member.assignment()
        still = frozenset(partition for place, partition in places.items() if place in here)
        self._held |= still
        with contextlib.ExitStack() as undo:
            undo.callback(self._drop, still)
            if still and self._on_assigned is not None:
                self._on_assigned(still)
            undo.pop_all()
        # paused by the listener until now
        self._stopped |= still

    def _fetch(self, seconds: float) -> None:
        """Let Kafka give what it has; waits only if there is nothing here."""
        self._balance()
        if self._member.unsettled:
            wait = max(min(seconds, SLICE), SETTLE)
        elif self._shelf.ready(self._held - self._paused):
            wait = 0.0
        else:
            wait = max(min(seconds, SLICE), 0.0)
        with contextlib.suppress(Moved), reaching("be read"):
            found = self._member.poll(timeout_ms=int(wait * 1000), max_records=FETCH_RECORDS)
            for place, records in found.items():
                self._shelf.put(self._cluster.partition(place), records)

    def _balance(self) -> None:
        """Ask Kafka for nothing of what is paused or lies here in plenty."""
        here = self._member.assignment()
        for partition in self._held:
            stop = partition in self._paused or self._shelf.full(partition)
            place = self._cluster.place(partition)
            if stop == (partition in self._stopped) or place not in here:
                continue
            if stop:
                self._member.pause(place)
                self._stopped.add(partition)
            else:
                self._member.resume(place)
                self._stopped.discard(partition)

    def _probe(self) -> None:
        """Raise Overloaded if the brokers are away; kafka-python would wait for them silently."""
        if time.monotonic() > self._probe_due:
            self._cluster.count(GROUPS_TOPIC)
            self._probe_due = time.monotonic() + PROBE_EVERY

    def _span(self, partition: Partition) -> tuple[int, int]:
        place = self._cluster.place(partition)
        start = self._cluster.offsets([place], EARLIEST).get(place, 0)
        return start, self._cluster.offsets([place], LATEST).get(place, start)

    def _next(self, partition: Partition) -> int:
        """The offset of the first record that poll() has not returned."""
        first = self._shelf.first(partition)
        if first is not None:
            return first
        place = self._cluster.place(partition)
        if place not in self._member.assignment():
            return 0
        with reaching("find a position"):
            return int(self._member.position(place, timeout_ms=self._wait_ms()) or 0)

    def _go(self, partition: Partition, offset: int) -> None:
        self._shelf.drop([partition])
        place = self._cluster.place(partition)
        if place in self._member.assignment():
            self._member.seek(place, offset)

    def _check_held(self, partition: Partition) -> None:
        if partition not in self._held:
            raise ValueError(f"{partition} is not assigned to this consumer; seek in on_assigned")

    def _wait_ms(self) -> int:
        return int(self._cluster.settings.wait * 1000)


def _member(cluster: Cluster, group: str) -> Member:
    settings = cluster.settings
    heartbeat = min(settings.session / 10, settings.lease / 4)
    return connected(
        Member,
        **settings.client(),
        group_id=cluster.full(group),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        partition_assignment_strategy=(CooperativeStickyAssignor,),
        session_timeout_ms=int(settings.session * 1000),
        heartbeat_interval_ms=int(heartbeat * 1000),
        max_poll_interval_ms=int(settings.lease * 1000),
        fetch_max_bytes=FETCH_BYTES,
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )


def _pattern(cluster: Cluster, topics: str) -> str:
    """The topics that begin so, but never the one that is nobody's."""
    own = re.escape(cluster.full(GROUPS_TOPIC))
    return f"^(?!{own}$){re.escape(cluster.full(topics))}"


def _check_note(partition: Partition, note: str) -> None:
    if len(note) > NOTE_LIMIT:
        raise Malformed(
            f"a note has at most {NOTE_LIMIT:,} characters, that for {partition} has {len(note):,}"
        )
    try:
        note.encode()
    except UnicodeEncodeError as error:
        raise Malformed(f"the note for {partition} is no Unicode text: {error}") from error
