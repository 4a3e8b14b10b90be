"""Lets every source tick, so that windows close on a quiet night."""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec

from collectors.bus.contract import Malformed, Overloaded
from collectors.event import timestamp
from collectors.intake import Batch
from collectors.route import Route, Routes
from collectors.sources.writer import BusWriter
from collectors.tick import KIND, VERSION, Tick

EVERY: Final = 10.0
"""Seconds from tick to tick of a source that sends."""
SELDOM: Final = 3600.0
"""Seconds from tick to tick of one that has not sent for long."""
SHARE: Final = 0.1
"""Of the time that a source has been quiet: it ticks again after so much more."""
LOOK_EVERY: Final = 1.0


class Pace:
    """Which sources are to tick: those that send often, quiet ones ever less often."""

    def __init__(self, now: float) -> None:
        self._began = now
        self._last: dict[tuple[str, str], float] = {}

    def due(
        self, routes: Routes, now: float, heard: Callable[[str, str], float | None]
    ) -> Iterator[Route]:
        """Routes that tick at `now`; `heard` says when a tenant's source was heard last.

        Both in seconds of one clock that only goes forward.
        """
        known = {(route.tenant, route.source): route for route in routes.all()}
        self._last = {key: at for key, at in self._last.items() if key in known}
        for key, route in known.items():
            quiet = now - max(self._began, heard(*key) or self._began)
            wait = min(max(EVERY, SHARE * quiet), SELDOM)
            if key not in self._last or now - self._last[key] >= wait:
                self._last[key] = now
                yield route


async def keep_ticking(routes: Routes, writer: BusWriter, stopping: asyncio.Event) -> None:
    """Write ticks until `stopping` is set; what the bus can't take now is left out."""
    pace = Pace(time.monotonic())
    while not stopping.is_set():
        due = list(pace.due(routes, time.monotonic(), writer.heard))
        now = datetime.now(UTC)
        await asyncio.gather(*(_tick(writer, route, now) for route in due))
        try:
            async with asyncio.timeout(LOOK_EVERY):
                await stopping.wait()
        except TimeoutError:
            continue


async def _tick(writer: BusWriter, route: Route, now: datetime) -> None:
    tick = Tick(v=VERSION, tenant=route.tenant, source=route.source, received=timestamp(now))
    line = msgspec.json.encode(tick)
    batch = Batch(
        topic=f"events.{route.tenant}", key=route.source, lines=[line], size=len(line), kind=KIND
    )
    try:
        await writer.write(batch)
    except (Overloaded, Malformed):  # the next one says the same; the writer has counted it
        return
