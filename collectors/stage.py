"""The collectors process: both doors in one loop, one writer to the bus."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import msgspec
import structlog
import uvloop

from collectors.bus.contract import Producers
from collectors.route import Routes
from collectors.sources.http import HttpDoor
from collectors.sources.http_server import door_server
from collectors.sources.sockets import listen
from collectors.sources.syslog_ports import SyslogPorts
from collectors.sources.ticker import keep_ticking
from collectors.sources.writer import BusWriter

WORKERS = 8
"""Threads that parse; with several a large body does not hold up the small ones."""
STOP_SECONDS = 0.05
"""How often the stage looks whether it shall stop."""

log = structlog.get_logger()


class Ports(msgspec.Struct, frozen=True):
    """Where the doors are open."""

    ingest: int
    syslog: Mapping[int, int]
    """Slot to port."""


def run_collectors(
    bus: Producers,
    routes: Routes,
    *,
    host: str = "127.0.0.1",
    ingest_port: int,
    syslog_port: int,
    stop: threading.Event,
    ready: Callable[[Ports], None] | None = None,
) -> None:
    """Serve both doors until `stop` is set; what was received by then is on the bus on return.

    `ready` is called from the loop when the ports are open, and again whenever syslog ports
    change with the routes. A port of 0 takes any. Raises PortTaken when the ingest port can't be
    opened; a syslog port that can't be is logged, tried again and named by /healthz.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(bus, routes, host, ingest_port, syslog_port, stop, ready))


async def _run(
    bus: Producers,
    routes: Routes,
    host: str,
    ingest_port: int,
    syslog_port: int,
    stop: threading.Event,
    ready: Callable[[Ports], None] | None,
) -> None:
    ingest = listen(host, ingest_port, "ingest")
    ingest_port = int(ingest.getsockname()[1])

    def changed(syslog: Mapping[int, int]) -> None:
        if ready is not None:
            ready(Ports(ingest_port, syslog))

    def health() -> Mapping[str, object]:
        overloaded = writer.overloaded
        return {
            "status": "overloaded" if overloaded else "ok",
            "syslog_ports_missing": sorted(syslog_port + slot for slot in syslog.missing),
        }

    writer = BusWriter(bus)
    workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="intake")
    syslog = SyslogPorts(routes, writer, workers, host=host, base=syslog_port, changed=changed)
    server = door_server(HttpDoor(routes, writer, workers, health=health))
    stopping = asyncio.Event()

    async def await_stop() -> None:
        while not stop.is_set():  # noqa: ASYNC110 (an event of threads)
            await asyncio.sleep(STOP_SECONDS)
        stopping.set()
        server.should_exit = True

    async def doors() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(server.serve(sockets=[ingest]))
                group.create_task(syslog.run(stopping))
                group.create_task(keep_ticking(routes, writer, stopping))
                group.create_task(await_stop())
        finally:
            writer.stop()

    thread = ThreadPoolExecutor(1, thread_name_prefix="bus-writer")
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_in_thread(thread, writer))
            group.create_task(doors())
    finally:
        ingest.close()
        thread.shutdown()
        workers.shutdown()


async def _in_thread(thread: ThreadPoolExecutor, writer: BusWriter) -> None:
    await asyncio.get_running_loop().run_in_executor(thread, writer.run)
