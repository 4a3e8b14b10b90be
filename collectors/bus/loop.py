"""The loop that every stage runs: read a batch, do it, make it durable, only then commit."""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

import structlog

from collectors import metrics
from collectors.bus.contract import (
    Bus,
    Consumer,
    Malformed,
    Overloaded,
    Partition,
    Position,
    Producer,
    Record,
)
from collectors.bus.dead import dead_letter
from collectors.bus.outbox import Outbox
from collectors.health import Progress

log = structlog.get_logger()

POLL = 0.25
"""Seconds to wait for records: the loop sees `stop` at least so often."""
FIRST_WAIT = 0.05
LONGEST_WAIT = 5.0
LAG_EVERY = 1.0

Result = TypeVar("Result")


class Handler(Protocol):
    """What a stage does with records. Called by one thread."""

    def handle(self, records: Sequence[Record]) -> None:
        """Work on these, in order, and keep the results until flush().

        May raise Overloaded, and is called again with the same records; or Malformed, and is then
        called with each record alone, of which those that raise it again are set aside. Whatever
        it raises, nothing of these records is kept.
        """

    def flush(self) -> None:
        """Make everything durable that handle() kept. Blocks.

        May raise Overloaded, keeps everything then, and is called again.
        """

    def note(self, partition: Partition) -> str:
        """What to store beside the position, after flush(); see Position."""


@runtime_checkable
class Stateful(Protocol):
    """A handler that has to know which partitions it serves; nothing is in work at these calls."""

    def assigned(self, consumer: Consumer, positions: Mapping[Partition, Position | None]) -> None:
        """These begin at these positions. May seek back: what is read again is not committed."""

    def revoked(self, partitions: frozenset[Partition]) -> None:
        """These are somebody else's from now on."""


class _Stopped(Exception):
    """The stage is to end while something is overloaded."""


def run(
    bus: Bus,
    handler: Handler,
    *,
    group: str,
    topics: str,
    stage: str,
    stop: threading.Event,
    progress: Progress | None = None,
    batch: int = 500,
) -> None:
    """Serve the topics that begin with `topics` as a member of `group` until `stop` is set.

    Everything in work when it ends, however it ends, is delivered again.
    """
    _Loop(bus, handler, stage, stop, progress or Progress(stage)).run(group, topics, batch)


class _Loop:
    def __init__(
        self, bus: Bus, handler: Handler, stage: str, stop: threading.Event, progress: Progress
    ) -> None:
        self._bus = bus
        self._handler = handler
        self._stage = stage
        self._stop = stop
        self._progress = progress
        self._done: dict[Partition, int] = {}
        """The stored offset of each partition: what a rebuild reads below it is not committed."""
        self._lag_due = 0.0

    def run(self, group: str, topics: str, batch: int) -> None:
        with contextlib.suppress(_Stopped), contextlib.ExitStack() as closing:
            producer = self._insist(self._bus.producer)
            closing.callback(self._let_go, producer)
            self._dead = Outbox(producer)
            self._consumer = self._insist(
                lambda: self._bus.consumer(
                    group, topics, on_assigned=self._assigned, on_revoked=self._revoked
                )
            )
            closing.callback(self._let_go, self._consumer)
            while not self._stop.is_set():
                self._turn(batch)
        self._progress.stopped()

    def _turn(self, batch: int) -> None:
        records = self._insist(lambda: self._consumer.poll(POLL, batch))
        if records:
            with metrics.BATCH_SECONDS.labels(self._stage).time():
                self._handle(records)
                self._insist(self._handler.flush)
                self._insist(self._dead.flush)
                self._insist(lambda: self._commit(records))
            metrics.RECORDS_READ.labels(self._stage).inc(len(records))
            metrics.EVENTS_READ.labels(self._stage).inc(sum(map(_lines, records)))
        if time.monotonic() >= self._lag_due:
            self._insist(self._watch_lag)

    def _handle(self, records: Sequence[Record]) -> None:
        try:
            self._insist(lambda: self._handler.handle(records))
        except Malformed as malformed:
            if len(records) > 1:
                for record in records:
                    self._handle([record])
            else:
                self._set_aside(records[0], malformed)

    def _set_aside(self, record: Record, malformed: Malformed) -> None:
        metrics.DEAD_LETTERS.labels(self._stage).inc()
        log.error(
            "record_set_aside",
            stage=self._stage,
            topic=record.partition.topic,
            partition=record.partition.number,
            offset=record.offset,
            reason=str(malformed),
        )
        self._dead.put(dead_letter(record, str(malformed), stage=self._stage))

    def _commit(self, records: Sequence[Record]) -> None:
        ends = {record.partition: record.offset + 1 for record in records}
        ends = {key: end for key, end in ends.items() if end > self._done.get(key, 0)}
        self._consumer.commit(
            {key: Position(end, self._handler.note(key)) for key, end in ends.items()}
        )
        self._done.update(ends)

    def _assigned(self, partitions: frozenset[Partition]) -> None:
        positions = {key: self._consumer.committed(key) for key in sorted(partitions)}
        self._done.update({key: found.offset for key, found in positions.items() if found})
        if isinstance(self._handler, Stateful):
            self._handler.assigned(self._consumer, positions)
        log.info("partitions_assigned", stage=self._stage, partitions=len(partitions))

    def _revoked(self, partitions: frozenset[Partition]) -> None:
        if isinstance(self._handler, Stateful):
            self._handler.revoked(partitions)
        for key in partitions:
            self._done.pop(key, None)
        log.info("partitions_revoked", stage=self._stage, partitions=len(partitions))

    def _watch_lag(self) -> None:
        lags = self._consumer.lag().values()
        records = sum(lag.records for lag in lags)
        seconds = max((lag.oldest_seconds for lag in lags), default=0.0)
        metrics.LAG_RECORDS.labels(self._stage).set(records)
        metrics.LAG_SECONDS.labels(self._stage).set(seconds)
        self._progress.running(records, seconds)
        self._lag_due = time.monotonic() + LAG_EVERY

    def _insist(self, action: Callable[[], Result]) -> Result:
        """Do it as soon as nothing is overloaded. Raises _Stopped when the end comes first."""
        wait = FIRST_WAIT
        while True:
            try:
                return action()
            except Overloaded as overloaded:
                metrics.RETRIES.labels(self._stage).inc()
                self._progress.overloaded(str(overloaded))
                log.warning("overloaded", stage=self._stage, wait=wait, reason=str(overloaded))
                if self._stop.wait(wait):
                    raise _Stopped from overloaded
            wait = min(wait * 2, LONGEST_WAIT)

    def _let_go(self, held: Producer | Consumer) -> None:
        try:
            held.close()
        except Overloaded as overloaded:
            # the group drops a member whose process has ended, and what was not flushed comes again
            log.warning("left_without_a_word", stage=self._stage, reason=str(overloaded))


def _lines(record: Record) -> int:
    return record.value.count(b"\n") + (not record.value.endswith(b"\n"))
