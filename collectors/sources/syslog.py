"""One syslog port of one source, TCP and UDP; senders are told by address, which proves little."""

import asyncio
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import Any

import structlog

from collectors.metrics import DOOR_REFUSED
from collectors.route import Route
from collectors.sources.framing import MAX_MESSAGE, Framer, Message
from collectors.sources.outbox import Outbox
from collectors.sources.sockets import Pair, dropped
from collectors.sources.writer import BusWriter

MAX_CONNECTIONS = 256
REMEMBERED_SENDERS = 10_000
QUIET_SECONDS = 0.1
CLOSING_SECONDS = 1.0
"""A closing port still reads what is under way: until it is quiet, or this long."""
COUNTED_EVERY = 1_000
"""Datagrams dropped from one log line to the next."""

log = structlog.get_logger()


class SyslogPort:
    """An open port. Its route may change its senders and format, never its tenant or source."""

    def __init__(self, route: Route, pair: Pair, writer: BusWriter, workers: Executor) -> None:
        self.route = route
        self.port = pair.port
        self.connections: set[_Connection] = set()
        self.paused = False
        self.touched = 0.0
        """When something arrived last, in the loop's time."""
        self._pair = pair
        self._admitted: dict[str, bool] = {}
        self._dropped = 0
        self._overrun = 0
        self._outbox = Outbox(writer, workers, self._pause)
        self._server: asyncio.Server | None = None
        self._udp: asyncio.DatagramTransport | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to receive."""
        loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._outbox.run())
        self._server = await loop.create_server(lambda: _Connection(self), sock=self._pair.tcp)
        self._udp, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self), sock=self._pair.udp
        )

    def change(self, route: Route) -> None:
        """Go by this route from now on; connections that it does not admit are closed."""
        self.route = route
        self._admitted.clear()
        for connection in list(self.connections):
            if not self.admits(connection.sender):
                connection.abort()

    def admits(self, sender: str) -> bool:
        """Whether the sender may; a refusal is logged once for each address."""
        admitted = self._admitted.get(sender)
        if admitted is None:
            if len(self._admitted) >= REMEMBERED_SENDERS:
                self._admitted.clear()
            address = sender.removeprefix("::ffff:")
            admitted = self._admitted[sender] = self.route.admits(address)
            if not admitted:
                log.warning("syslog_sender_refused", sender=address, **self._names())
        return admitted

    def receive(self, messages: list[Message]) -> None:
        """Take what a connection brought."""
        self.touched = asyncio.get_running_loop().time()
        if messages:
            self._outbox.put(self.route, datetime.now(UTC), messages)

    def receive_datagram(self, data: bytes) -> None:
        """Take one datagram, or count it where there is no room."""
        self.touched = asyncio.get_running_loop().time()
        data = data.strip(b"\r\n\0")
        if not data or data.isspace():
            return
        message = Message(data[:MAX_MESSAGE], len(data) > MAX_MESSAGE)
        if not self._outbox.offer(self.route, datetime.now(UTC), message):
            DOOR_REFUSED.labels("syslog", "full").inc()
            if self._dropped % COUNTED_EVERY == 0:
                log.error("syslog_datagrams_dropped", before=self._dropped, **self._names())
            self._dropped += 1

    def _count_overrun(self) -> None:
        overrun = dropped(self._pair.udp) - self._overrun
        if overrun > 0:
            DOOR_REFUSED.labels("syslog", "overrun").inc(overrun)
            log.error("syslog_datagrams_overrun", events=overrun, **self._names())
            self._overrun += overrun

    def check(self) -> None:
        """Count what the kernel dropped; raise what went wrong in the port's own task, if any."""
        self._count_overrun()
        if self._task is not None and self._task.done():
            self._task.result()

    async def close(self) -> None:
        """Stop listening, read what is under way, and return once it is on the bus."""
        if self._server is not None:
            self._server.close()
        await self._until_quiet()
        for connection in list(self.connections):
            connection.finish()
        self._count_overrun()
        if self._udp is not None:
            self._udp.close()
        self._outbox.close()
        if self._task is not None:
            await self._task

    async def _until_quiet(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + CLOSING_SECONDS
        self.touched = loop.time()
        while loop.time() < min(end, self.touched + QUIET_SECONDS):  # noqa: ASYNC110 (time itself)
            await asyncio.sleep(QUIET_SECONDS / 4)

    def _pause(self, paused: bool) -> None:
        self.paused = paused
        for connection in self.connections:
            connection.pause(paused)

    def _names(self) -> dict[str, Any]:
        return {"tenant": self.route.tenant, "source": self.route.source, "port": self.port}


class _Connection(asyncio.Protocol):
    """One TCP sender."""

    def __init__(self, port: SyslogPort) -> None:
        self._port = port
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self.sender = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.sender = peer[0] if peer else ""
        if not peer or not self._port.admits(self.sender):
            self._refuse("sender")
        elif len(self._port.connections) >= MAX_CONNECTIONS:
            self._refuse("connections")
        else:
            self._port.connections.add(self)
            if self._port.paused:
                transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        if self in self._port.connections:
            self._port.receive(self._framer.feed(data))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's)
        self._end()

    def pause(self, paused: bool) -> None:
        """Read no more until told so, so that the sender's own buffers fill."""
        if self._transport is None or self._transport.is_closing():
            return
        if paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def finish(self) -> None:
        """Close from our side; what was begun counts."""
        self._end()
        self.abort()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def _end(self) -> None:
        if self in self._port.connections:
            self._port.connections.discard(self)
            self._port.receive(self._framer.close())

    def _refuse(self, reason: str) -> None:
        DOOR_REFUSED.labels("syslog", reason).inc()
        self.abort()


class _Datagrams(asyncio.DatagramProtocol):
    """All UDP senders of a port."""

    def __init__(self, port: SyslogPort) -> None:
        self._port = port

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if self._port.admits(addr[0]):
            self._port.receive_datagram(data)
        else:
            DOOR_REFUSED.labels("syslog", "sender").inc()
