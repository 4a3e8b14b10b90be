"""Reading: one member of a group, its place in each log, and what it does when logs move."""

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from collectors.bus.contract import Lag, Malformed, Partition, Position, Record
from collectors.bus.embedded.file import BusFile
from collectors.bus.embedded.logs import Log, find_logs, offset_at, read_records, record_time
from collectors.bus.embedded.membership import Membership

NOTE_LIMIT: Final = 1000
BATCH_BYTES: Final = 8 * 1024 * 1024
"""Values of one poll; a single record may be larger than what is left."""
LOOK_EVERY: Final = 0.005
"""Seconds between looks for new records while there are none."""
SETTLE_EVERY: Final = 0.5
"""Seconds between looks for members that have died."""

Moved = Callable[[frozenset[Partition]], None]


class EmbeddedConsumer:
    """See collectors.bus.contract.Consumer."""

    def __init__(
        self,
        file: BusFile,
        group: str,
        prefix: str,
        clock: Callable[[], float],
        lease: float,
        on_assigned: Moved | None,
        on_revoked: Moved | None,
    ) -> None:
        self._file = file
        self._group = group
        self._prefix = prefix
        self._clock = clock
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._membership = Membership(file, group, prefix, clock, lease)
        self._logs: dict[int, Log] = {}
        self._mine: dict[Partition, int] = {}
        """The log id of each assigned partition."""
        self._next: dict[Partition, int] = {}
        """The offset that each assigned partition is read from next."""
        self._paused: set[Partition] = set()
        self._version = (-1, -1)
        self._settle_due = 0.0
        self._turn = 0
        self._changes = (-1, -1)

    def poll(self, timeout: float, limit: int = 500) -> Sequence[Record]:
        """See Consumer."""
        deadline = time.monotonic() + timeout
        while True:
            self._settle()
            self._look()
            records = self._read(limit)
            if records or not self._wait(deadline):
                return records

    def commit(self, positions: Mapping[Partition, Position]) -> None:
        """See Consumer."""
        for partition, position in positions.items():
            _check_note(partition, position.note)
        mine = [
            (self._group, self._mine[partition], position.offset, position.note)
            for partition, position in positions.items()
            if partition in self._mine
        ]
        if not mine:
            return
        with self._file.writing() as connection:
            connection.executemany(
                "INSERT INTO positions SELECT ?, ?, ?, ? WHERE EXISTS"
                " (SELECT 1 FROM owners WHERE grp = ? AND log = ? AND member = ?)"
                " ON CONFLICT(grp, log) DO UPDATE SET offset = excluded.offset,"
                " note = excluded.note",
                [(*row, *row[:2], self._membership.id) for row in mine],
            )

    def committed(self, partition: Partition) -> Position | None:
        """See Consumer."""
        rows = self._file.query(
            "SELECT offset, note FROM positions WHERE grp = ? AND log ="
            " (SELECT id FROM logs WHERE topic = ? AND number = ?)",
            (self._group, *partition),
        )
        return Position(*rows[0]) if rows else None

    def assigned(self) -> frozenset[Partition]:
        """See Consumer."""
        return frozenset(self._mine)

    def seek(self, partition: Partition, offset: int) -> None:
        """See Consumer. Raises ValueError for a partition that is not assigned."""
        log = self._fresh(partition)
        self._next[partition] = min(max(offset, log.start), log.next)

    def seek_time(self, partition: Partition, time: float) -> None:
        """See Consumer. Raises ValueError for a partition that is not assigned."""
        self._next[partition] = offset_at(self._file, self._fresh(partition), time)

    def pause(self, partitions: Sequence[Partition]) -> None:
        """See Consumer."""
        self._paused.update(partitions)

    def resume(self, partitions: Sequence[Partition]) -> None:
        """See Consumer."""
        self._paused.difference_update(partitions)

    def lag(self) -> Mapping[Partition, Lag]:
        """See Consumer."""
        logs = find_logs(self._file, self._prefix)
        now = self._clock()
        return {
            partition: self._lag(logs[log], self._next[partition], now)
            for partition, log in self._mine.items()
            if log in logs
        }

    def close(self) -> None:
        """See Consumer."""
        try:
            self._membership.leave()
        finally:
            self._mine.clear()
            self._file.close()

    def _settle(self) -> None:
        """Take part in the group: give up what is lost or due to others, take what is due."""
        moved = self._membership.version() != self._version
        if not moved and time.monotonic() < self._settle_due:
            return
        view = self._membership.view()
        self._revoke(self._logs_held() - view.owned(self._membership.id))
        surplus = self._membership.share(view).release
        if surplus:
            self._revoke(surplus)
            self._membership.release(surplus)
            view = self._membership.view()
        view = self._membership.settle(view)
        self._assign(view.owned(self._membership.id) - self._logs_held())
        self._version = view.version
        self._settle_due = time.monotonic() + SETTLE_EVERY

    def _logs_held(self) -> set[int]:
        return set(self._mine.values())

    def _revoke(self, logs: Iterable[int]) -> None:
        gone = {partition for partition, log in self._mine.items() if log in set(logs)}
        if gone and self._on_revoked is not None:
            self._on_revoked(frozenset(gone))
        self._drop(gone)

    def _drop(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            del self._mine[partition], self._next[partition]
            self._paused.discard(partition)

    def _assign(self, ids: set[int]) -> None:
        if not ids:
            return
        logs = find_logs(self._file, self._prefix)
        new = {logs[id_].partition: logs[id_] for id_ in ids if id_ in logs}
        for partition, log in new.items():
            position = self.committed(partition)
            offset = position.offset if position else log.start
            self._next[partition] = min(max(offset, log.start), log.next)
        self._mine.update({partition: log.id for partition, log in new.items()})
        self._logs = logs
        with contextlib.ExitStack() as undo:
            # what could not begin is assigned again at the next poll
            undo.callback(self._drop, new)
            if new and self._on_assigned is not None:
                self._on_assigned(frozenset(new))
            undo.pop_all()

    def _look(self) -> None:
        """See how far the logs reach, if anything was written since the last look."""
        changes = self._file.changes()
        if changes != self._changes:
            self._logs = find_logs(self._file, self._prefix)
            self._changes = changes

    def _read(self, limit: int) -> list[Record]:
        waiting = [
            log
            for partition, id_ in self._mine.items()
            if partition not in self._paused
            and (log := self._logs.get(id_)) is not None
            and log.next > self._next[partition]
        ]
        self._turn += 1
        records: list[Record] = []
        ends: dict[Partition, int] = {}
        room = BATCH_BYTES
        # each log has an equal part, and another is first each time: no tenant waits for another
        for index in range(len(waiting)):
            log = waiting[(index + self._turn) % len(waiting)]
            part = max(limit // len(waiting), 1)
            if len(records) >= limit or room <= 0:
                break
            found = self._read_log(
                log, min(part, limit - len(records)), room // (len(waiting) - index)
            )
            room -= sum(len(record.value) for record in found)
            records += found
            # retention may have removed all of it
            ends[log.partition] = found[-1].offset + 1 if found else log.next
        self._next.update(ends)
        return records

    def _read_log(self, log: Log, limit: int, room: int) -> list[Record]:
        records: list[Record] = []
        for record in read_records(self._file, log, self._next[log.partition], limit):
            records.append(record)
            room -= len(record.value)
            if room <= 0:
                break
        return records

    def _wait(self, deadline: float) -> bool:
        """Wait for a change; False when `deadline` comes first."""
        while True:
            now = time.monotonic()
            if now >= deadline:
                return False
            if now >= self._settle_due or self._file.changes() != self._changes:
                return True
            time.sleep(min(LOOK_EVERY, deadline - now))

    def _fresh(self, partition: Partition) -> Log:
        log = find_logs(self._file, self._prefix).get(self._mine.get(partition, -1))
        if log is None:
            raise ValueError(f"{partition} is not assigned to this consumer; seek in on_assigned")
        return log

    def _lag(self, log: Log, offset: int, now: float) -> Lag:
        offset = max(offset, log.start)
        taken = record_time(self._file, log.id, offset) if offset < log.next else None
        return Lag(max(log.next - offset, 0), max(now - taken, 0.0) if taken is not None else 0.0)


def _check_note(partition: Partition, note: str) -> None:
    if len(note) > NOTE_LIMIT:
        raise Malformed(
            f"a note has at most {NOTE_LIMIT:,} characters, that for {partition} has {len(note):,}"
        )
    try:
        note.encode()
    except UnicodeEncodeError as error:
        raise Malformed(f"the note for {partition} is no Unicode text: {error}") from error
