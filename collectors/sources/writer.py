"""Writes what all doors accept to the bus, many requests to one flush."""

import asyncio
import queue
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from collectors.bus.contract import Malformed, Overloaded, Producer, Producers
from collectors.intake import Batch, records
from collectors.metrics import RETRIES

GROUP_BYTES = 8 << 20
"""Bytes that one flush takes on, at least one batch whatever its size."""


class _Wish(NamedTuple):
    batch: Batch
    done: "asyncio.Future[None]"


class BusWriter:
    """One thread with one producer; a batch is answered once the flush that holds it is durable.

    Of a batch that could not be made durable nothing is kept, unless it is larger than the
    producer's buffer and the bus failed in the middle of it.
    """

    def __init__(self, bus: Producers) -> None:
        self._bus = bus
        self._wishes: queue.SimpleQueue[_Wish | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._heard: dict[tuple[str, str], float] = {}
        self.overloaded = False
        """Whether the last flush failed; for /healthz."""

    async def write(self, batch: Batch) -> None:
        """Return once the batch is durable.

        Raises Overloaded when it could not be made so, Malformed when its topic is not there.
        """
        if not batch.lines:
            return
        if batch.kind == "events":
            self._heard[batch.topic, batch.key] = time.monotonic()
        done: asyncio.Future[None] = self._loop.create_future()
        self._wishes.put(_Wish(batch, done))
        await done

    def heard(self, tenant: str, source: str) -> float | None:
        """When something of a source came last, by time.monotonic(); None for not yet."""
        return self._heard.get((f"events.{tenant}", source))

    def stop(self) -> None:
        """Let `run` end once everything asked for so far is answered."""
        self._wishes.put(None)

    def run(self) -> None:
        """Serve until stopped; blocks, so it belongs in a thread of its own."""
        producer = self._bus.producer()
        while group := self._next_group():
            self._serve(producer, group)
        # Not after a bug: closing would flush what nobody was told is kept.
        producer.close()

    def _next_group(self) -> Sequence[_Wish]:
        """Wait for one wish, then take all that stand behind it; empty means stop."""
        wish = self._wishes.get()
        if wish is None:
            return ()
        group = [wish]
        size = wish.batch.size
        while size < GROUP_BYTES:
            try:
                wish = self._wishes.get_nowait()
            except queue.Empty:
                break
            if wish is None:
                self._wishes.put(None)
                break
            group.append(wish)
            size += wish.batch.size
        return group

    def _serve(self, producer: Producer, group: Sequence[_Wish]) -> None:
        failures: dict[str, Malformed] = {}
        try:
            self._buffer(producer, group, failures)
            producer.flush()
        except Overloaded as error:
            RETRIES.labels("collectors").inc()
            self.overloaded = True
            self._answer(group, {wish.batch.topic: error for wish in group})
        else:
            self.overloaded = False
            self._answer(group, failures)

    @staticmethod
    def _buffer(producer: Producer, group: Sequence[_Wish], failures: dict[str, Malformed]) -> None:
        """Buffer a group, the lines of one source together and in order."""
        sources: defaultdict[tuple[str, str, str], list[bytes]] = defaultdict(list)
        for wish in group:
            sources[wish.batch.topic, wish.batch.key, wish.batch.kind].extend(wish.batch.lines)
        for (topic, key, kind), lines in sources.items():
            if topic in failures:
                continue
            try:
                for value in records(lines):
                    _send(producer, topic, value, key, kind)
            except Malformed as error:
                failures[topic] = error

    def _answer(
        self, group: Sequence[_Wish], failures: dict[str, Malformed] | dict[str, Overloaded]
    ) -> None:
        def answer() -> None:
            for wish in group:
                error = failures.get(wish.batch.topic)
                if wish.done.done():
                    continue
                if error is None:
                    wish.done.set_result(None)
                else:
                    wish.done.set_exception(error)

        self._loop.call_soon_threadsafe(answer)


def _send(producer: Producer, topic: str, value: bytes, key: str, kind: str) -> None:
    headers = None if kind == "events" else {"kind": kind}
    try:
        producer.send(topic, value, key=key, headers=headers)
    except Overloaded:
        producer.flush()
        producer.send(topic, value, key=key, headers=headers)
