"""What every bus promises: ordered partitions, at least once, handed over without loss."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

VALUE_LIMIT: Final = 1024 * 1024
"""Bytes of one record's value, at most."""


class Overloaded(Exception):
    """Not now: the caller keeps what it has, waits and tries again (a full disk, a lost broker)."""


class Malformed(Exception):
    """Never: this will not work however often it is tried; it goes to the dead letters."""


class NoTopic(Malformed):
    """There is no such topic, or no longer: its tenant has left."""


class Partition(NamedTuple):
    """One ordered log of a topic."""

    topic: str
    number: int


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What a consumer receives. `value` is NDJSON: one or more JSON objects, one a line."""

    partition: Partition
    offset: int
    """Counts from 0 within the partition, one a record."""
    time: float
    """When the bus took it, Unix seconds."""
    key: str = ""
    headers: Mapping[str, str] = {}
    value: bytes = b""

    @property
    def kind(self) -> str:
        """What the value holds: `events` unless the header `kind` says otherwise (`policy`, …)."""
        return self.headers.get("kind", "events")


class Position(msgspec.Struct, frozen=True):
    """How far a group has got in a partition: the next offset it wants, and a note of its own.

    The note (up to 1,000 characters) is stored with the offset and comes back with it; a consumer
    keeps there what it must know to go on at exactly this place, such as the policy in force.
    """

    offset: int
    note: str = ""


class Lag(msgspec.Struct, frozen=True):
    """What a group has still to read in a partition."""

    records: int
    oldest_seconds: float
    """Age of the oldest unread record, 0 where there is none."""


class Retention(msgspec.Struct, frozen=True):
    """How long a topic keeps records, and how many bytes of them over all its partitions.

    What the slowest known group has not read is never removed.
    """

    seconds: float | None = 7 * 86400.0
    bytes: int | None = None


class Producer(Protocol):
    """Appends records. Not shared between threads."""

    def send(
        self,
        topic: str,
        value: bytes,
        *,
        key: str = "",
        headers: Mapping[str, str] | None = None,
        partition: int | None = None,
    ) -> None:
        """Buffer one record; the same key goes to the same partition. Never blocks on the broker.

        Raises NoTopic for an unknown topic, Malformed for an unknown partition or a value over the
        bus's limit (1 MiB), Overloaded when the buffer is full. What is sent to a topic that is
        deleted before the flush goes with the topic.
        """

    def flush(self) -> None:
        """Return once everything sent so far is durable. Blocks.

        Raises Overloaded when it could not be made durable; nothing of the buffer is then kept,
        and the caller sends it again (records that did get through stand there twice).
        """

    def close(self) -> None:
        """Flush and let go."""


class Consumer(Protocol):
    """One member of a group. Not shared between threads."""

    def poll(self, timeout: float, limit: int = 500) -> Sequence[Record]:
        """Return up to `limit` records in order within each partition, or none after `timeout` s.

        Also takes part in the group: assignments change only inside this call, after
        `on_revoked` has returned. Raises Overloaded when the broker can't be reached.
        """

    def commit(self, positions: Mapping[Partition, Position]) -> None:
        """Store positions durably. Raises Overloaded; raises Malformed for a note too long.

        A partition that this member no longer holds is left as it is: the new owner decides.
        """

    def committed(self, partition: Partition) -> Position | None:
        """The group's stored position, None before the first commit."""

    def assigned(self) -> frozenset[Partition]:
        """The partitions that this member reads now."""

    def seek(self, partition: Partition, offset: int) -> None:
        """Read on from `offset` (clamped to what the log still holds) at the next poll."""

    def seek_time(self, partition: Partition, time: float) -> None:
        """Read on from the first record that the bus took at or after `time`, Unix seconds."""

    def pause(self, partitions: Sequence[Partition]) -> None:
        """Return nothing of these until resumed; they stay assigned."""

    def resume(self, partitions: Sequence[Partition]) -> None:
        """Undo pause."""

    def lag(self) -> Mapping[Partition, Lag]:
        """What is unread in each assigned partition, counted from this member's position."""

    def close(self) -> None:
        """Leave the group at once, without committing."""


class Producers(Protocol):
    """All of a bus that a door needs."""

    def producer(self) -> Producer:
        """A producer for one thread."""


class Bus(Producers, Protocol):
    """A broker, real or embedded."""

    def create_topic(self, name: str, *, partitions: int, retention: Retention) -> None:
        """Make a topic, or bring an existing one to these settings (partitions only grow)."""

    def delete_topic(self, name: str) -> None:
        """Remove a topic with all its records and positions; unknown names are ignored."""

    def topics(self) -> Mapping[str, int]:
        """Every topic with its number of partitions."""

    def ends(self, topic: str) -> Sequence[tuple[int, int]]:
        """Per partition the first offset that is kept and the next one to be written."""

    def group_lag(self) -> Mapping[str, Lag]:
        """Per group, records unread over all partitions and the age of the oldest."""

    def positions(self, group: str) -> Mapping[Partition, Position]:
        """What a group has stored, for those who watch it; empty for an unknown group."""

    def enforce_retention(self) -> int:
        """Remove what retention no longer keeps; returns the number of records removed."""

    def consumer(
        self,
        group: str,
        topics: str,
        *,
        on_assigned: Callable[[frozenset[Partition]], None] | None = None,
        on_revoked: Callable[[frozenset[Partition]], None] | None = None,
    ) -> Consumer:
        """Join `group` for every topic that begins with the prefix `topics`, now or later.

        A partition without a stored position is read from its first kept record. `on_assigned`
        may seek. `on_revoked` is called before the partitions go to another member and may commit.
        """
