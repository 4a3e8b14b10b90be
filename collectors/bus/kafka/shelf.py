"""Records that Kafka has given and nobody has asked for yet, shared out fairly."""

from collections import deque
from collections.abc import Collection
from typing import Any, Final

from collectors.bus.contract import Partition, Record

BATCH_BYTES: Final = 8 * 1024 * 1024
"""Values of one batch; a single record may be larger than what is left."""
PLENTY_RECORDS: Final = 1000
PLENTY_BYTES: Final = 2 * 1024 * 1024


class Shelf:
    """A queue of records for each partition."""

    def __init__(self) -> None:
        self._queues: dict[Partition, deque[Any]] = {}
        self._bytes: dict[Partition, int] = {}
        self._turn = 0

    def put(self, partition: Partition, records: Collection[Any]) -> None:
        """Keep kafka-python's records of one partition, in order."""
        self._queues.setdefault(partition, deque()).extend(records)
        size = sum(len(record.value or b"") for record in records)
        self._bytes[partition] = self._bytes.get(partition, 0) + size

    def drop(self, partitions: Collection[Partition]) -> None:
        """Forget the records of these."""
        for partition in partitions:
            self._queues.pop(partition, None)
            self._bytes.pop(partition, None)

    def full(self, partition: Partition) -> bool:
        """Whether there is plenty of it."""
        return (
            len(self._queues.get(partition, ())) >= PLENTY_RECORDS
            or self._bytes.get(partition, 0) >= PLENTY_BYTES
        )

    def first(self, partition: Partition) -> int | None:
        """The offset of its first record here."""
        queue = self._queues.get(partition)
        return int(queue[0].offset) if queue else None

    def ready(self, partitions: Collection[Partition]) -> bool:
        """Whether any of these has a record here."""
        return any(self._queues.get(partition) for partition in partitions)

    def take(self, limit: int, partitions: Collection[Partition]) -> list[Record]:
        """Up to `limit` records, an equal part of each partition, another one first each time."""
        waiting = sorted(partition for partition in partitions if self._queues.get(partition))
        self._turn += 1
        records: list[Record] = []
        room = BATCH_BYTES
        for index in range(len(waiting)):
            partition = waiting[(index + self._turn) % len(waiting)]
            part = min(max(limit // len(waiting), 1), limit - len(records))
            if part <= 0 or room <= 0:
                break
            room -= self._move(partition, part, room // (len(waiting) - index), records)
        return records

    def _move(self, partition: Partition, count: int, room: int, into: list[Record]) -> int:
        """Move up to `count` records, and at least one, within `room`; the bytes moved."""
        queue = self._queues[partition]
        moved = 0
        while queue and count > 0 and (moved == 0 or moved < room):
            record = _record(partition, queue.popleft())
            into.append(record)
            self._bytes[partition] -= len(record.value)
            moved += max(len(record.value), 1)
            count -= 1
        return moved


def _record(partition: Partition, found: Any) -> Record:
    """A record of ours; what others have produced need not be text in key and headers."""
    return Record(
        partition=partition,
        offset=found.offset,
        time=found.timestamp / 1000,
        key=(found.key or b"").decode("utf-8", "replace"),
        headers={name: (text or b"").decode("utf-8", "replace") for name, text in found.headers},
        value=found.value or b"",
    )
