"""Opens and closes syslog ports as routes come and go."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from concurrent.futures import Executor

import structlog

from collectors.route import Route, Routes
from collectors.sources.sockets import PortTaken, listen_pair
from collectors.sources.syslog import SyslogPort
from collectors.sources.writer import BusWriter

LOOK_SECONDS = 0.25
RETRY_SECONDS = 5.0
"""How often a port that another program has is tried again."""

log = structlog.get_logger()


class SyslogPorts:
    """Port `base` + slot for every route with a slot; `base` 0 takes any free ports (for tests)."""

    def __init__(
        self,
        routes: Routes,
        writer: BusWriter,
        workers: Executor,
        *,
        host: str,
        base: int,
        changed: Callable[[Mapping[int, int]], None],
    ) -> None:
        self._routes = routes
        self._writer = writer
        self._workers = workers
        self._host = host
        self._base = base
        self._changed = changed
        """Called with the port of each open slot, at first and after every change."""
        self._open: dict[int, SyslogPort] = {}
        self._told: dict[int, int] | None = None
        self.missing: frozenset[int] = frozenset()
        """Slots whose port could not be opened."""

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the routes until stopped, then close every port."""
        loop = asyncio.get_running_loop()
        seen, retry = None, 0.0
        while not stop.is_set():
            routes = self._routes.all()
            if routes is not seen or (self.missing and loop.time() >= retry):
                seen, retry = routes, loop.time() + RETRY_SECONDS
                await self._follow()
            self._check()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)
        await asyncio.gather(*(port.close() for port in self._open.values()))

    async def _follow(self) -> None:
        wanted = {
            route.syslog_slot: route
            for route in self._routes.all()
            if route.syslog_slot is not None
        }
        leaving = [slot for slot, port in self._open.items() if not _same(port, wanted.get(slot))]
        await asyncio.gather(*(self._open.pop(slot).close() for slot in leaving))
        missing = set()
        for slot, route in wanted.items():
            if slot in self._open:
                self._open[slot].change(route)
            elif not await self._open_port(slot, route):
                missing.add(slot)
        self.missing = frozenset(missing)
        ports = {slot: port.port for slot, port in self._open.items()}
        if ports != self._told:
            self._told = ports
            self._changed(ports)

    async def _open_port(self, slot: int, route: Route) -> bool:
        number = self._base + slot if self._base else 0
        try:
            pair = listen_pair(self._host, number, f"syslog of {route.tenant}/{route.source}")
        except PortTaken as error:
            log.error("syslog_port_taken", port=number, why=str(error))
            return False
        port = SyslogPort(route, pair, self._writer, self._workers)
        await port.open()
        self._open[slot] = port
        log.info("syslog_port_open", port=port.port, tenant=route.tenant, source=route.source)
        return True

    def _check(self) -> None:
        """A bug in a port stops the stage."""
        for port in self._open.values():
            port.check()


def _same(port: SyslogPort, route: Route | None) -> bool:
    return route is not None and (port.route.tenant, port.route.source) == (
        route.tenant,
        route.source,
    )
