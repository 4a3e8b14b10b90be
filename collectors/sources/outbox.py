"""Messages of one syslog port on their way to the bus: in order, by size and time, bounded."""

import asyncio
import itertools
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from datetime import datetime

import msgspec
import structlog

from collectors.bus.contract import Malformed, Overloaded
from collectors.intake import Batch, Identity, Line, admit
from collectors.metrics import DOOR_REFUSED, EVENTS_ACCEPTED, EVENTS_UNPARSED
from collectors.route import Route
from collectors.sources.framing import Message
from collectors.sources.writer import BusWriter

FILL_BYTES = 64 * 1024
FILL_SECONDS = 0.05
"""A batch goes once it is this large or this old."""
TAKE_BYTES = 1 << 20
"""What one batch takes at most while more is waiting."""
FULL_BYTES = 4 << 20
"""From here on TCP senders are no longer read; UDP goes on up to twice as much."""
RETRY_SECONDS = 0.5
LAST_SECONDS = 3.0
"""How long an overloaded bus is tried when the stage stops."""
MESSAGE_BYTES = 256
"""What a message costs in memory beside its own bytes."""
UNPROVEN = ("unproven_sender",)
CUT = ("cut",)

log = structlog.get_logger()


class Arrival(msgspec.Struct, frozen=True):
    """Messages that came together."""

    route: Route
    received: datetime
    messages: Sequence[Message]
    size: int


class Outbox:
    """Takes arrivals and never blocks; `run` brings them to the bus."""

    def __init__(
        self, writer: BusWriter, workers: Executor, on_full: Callable[[bool], None]
    ) -> None:
        self._writer = writer
        self._workers = workers
        self._on_full = on_full
        """Called with True when TCP must wait, and with False when it may go on."""
        self._waiting: deque[Arrival] = deque()
        self._size = 0
        self._full = False
        self._closed = False
        self._some = asyncio.Event()
        self._enough = asyncio.Event()

    def put(self, route: Route, received: datetime, messages: Sequence[Message]) -> None:
        """Take what a TCP connection brought, whatever the size; `on_full` stops the next."""
        size = sum(len(message.data) + MESSAGE_BYTES for message in messages)
        self._waiting.append(Arrival(route, received, messages, size))
        self._size += size
        self._some.set()
        if self._size >= FILL_BYTES:
            self._enough.set()
        if self._size >= FULL_BYTES and not self._full:
            self._full = True
            self._on_full(True)

    def offer(self, route: Route, received: datetime, message: Message) -> bool:
        """Take a datagram, or return False where there is no room for it."""
        if self._size >= 2 * FULL_BYTES:
            return False
        self.put(route, received, (message,))
        return True

    def close(self) -> None:
        """Let `run` end once all is on the bus."""
        self._closed = True
        self._some.set()
        self._enough.set()

    async def run(self) -> None:
        """Serve until closed and empty."""
        while True:
            await self._some.wait()
            await self._fill()
            arrivals = self._take()
            if arrivals:
                await self._bring(arrivals)
            elif self._closed:
                return

    async def _fill(self) -> None:
        try:
            async with asyncio.timeout(FILL_SECONDS):
                await self._enough.wait()
        except TimeoutError:
            pass

    def _take(self) -> list[Arrival]:
        taken: list[Arrival] = []
        size = 0
        while self._waiting and size < TAKE_BYTES:
            taken.append(self._waiting.popleft())
            size += taken[-1].size
        if not self._waiting and not self._closed:
            self._some.clear()
            self._enough.clear()
        return taken

    async def _bring(self, arrivals: Sequence[Arrival]) -> None:
        loop = asyncio.get_running_loop()
        batch = await loop.run_in_executor(self._workers, _admit, arrivals)
        if await self._write(batch):
            EVENTS_ACCEPTED.labels("syslog").inc(len(batch.lines))
            EVENTS_UNPARSED.labels("syslog").inc(batch.unparsed)
        else:
            DOOR_REFUSED.labels("syslog", "lost").inc(len(batch.lines))
        self._size -= sum(arrival.size for arrival in arrivals)
        if self._full and self._size < FULL_BYTES // 2:
            self._full = False
            self._on_full(False)

    async def _write(self, batch: Batch) -> bool:
        """Try until it is durable; False where the topic is gone, or at the end of patience."""
        last: float | None = None
        clock = asyncio.get_running_loop().time
        while True:
            try:
                await self._writer.write(batch)
            except Malformed as error:
                _lost(batch, error)
                return False
            except Overloaded as error:
                log.warning("syslog_waits", topic=batch.topic, why=str(error))
                if self._closed:
                    last = last or clock() + LAST_SECONDS
                    if clock() >= last:
                        _lost(batch, error)
                        return False
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return True


def _lost(batch: Batch, why: Exception) -> None:
    log.error("syslog_lost", events=len(batch.lines), topic=batch.topic, why=str(why))


def _admit(arrivals: Sequence[Arrival]) -> Batch:
    """One batch of them all, as they are of one source; runs in a worker thread."""
    identity = Identity(nonce=secrets.token_hex(16))
    numbers = itertools.count(1)
    parts = [
        admit(
            arrival.route,
            [
                Line(next(numbers), message.data, marks=CUT if message.cut else ())
                for message in arrival.messages
            ],
            received=arrival.received,
            identity=identity,
            marks=UNPROVEN,
        )
        for arrival in arrivals
    ]
    return Batch(
        topic=parts[0].topic,
        key=parts[0].key,
        lines=[line for part in parts for line in part.lines],
        size=sum(part.size for part in parts),
        unparsed=sum(part.unparsed for part in parts),
    )
