"""Serves the HTTP door with bounds on heads, connections and slowness that uvicorn leaves open."""

import asyncio
import contextlib
from collections.abc import Generator
from typing import Any

import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from collectors.metrics import DOOR_REFUSED

MAX_CONNECTIONS = 512
MAX_HEAD = 32 * 1024
"""Bytes of a request line with its headers."""
HEAD_SECONDS = 10.0
"""How long a request's head may take."""
KEEP_ALIVE_SECONDS = 60
GRACE_SECONDS = 2


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 with a limit on how long and how large a head may be."""

    _deadline: asyncio.TimerHandle | None = None
    _head = 0
    _in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse what is too much, and give the first head its time."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(503, "connections", "too many connections at once", "come back later")
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._forget_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count a head's bytes before anything keeps them."""
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head += len(data)
            if self._deadline is None:
                self._await_head()
        super().data_received(data)
        if self._in_head and self._head > MAX_HEAD and not self.transport.is_closing():
            self._refuse(431, "head", f"a head of more than {MAX_HEAD:,} bytes", "send less there")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        """The head is there; from here on the door keeps the time."""
        self._in_head = False
        self._forget_deadline()
        super().on_headers_complete()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Headers after a chunked body are nothing that we read."""
        if self._in_head:
            super().on_header(name, value)

    def on_message_complete(self) -> None:
        """What comes next on this connection is a head again."""
        super().on_message_complete()
        self._in_head = True
        self._head = 0

    def send_400_response(self, msg: str) -> None:
        """As every other refusal: JSON that says what to do."""
        self._refuse(400, "http", msg, "speak HTTP/1.1")

    def _await_head(self) -> None:
        self._in_head = True
        self._forget_deadline()
        self._deadline = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._refuse(408, "slow", f"no whole head within {HEAD_SECONDS:.0f} s", "send it at once")

    def _refuse(self, status: int, reason: str, came: str, do: str) -> None:
        DOOR_REFUSED.labels("http", reason).inc()
        body = msgspec.json.encode({"error": came, "expected": "an HTTP/1.1 request", "do": do})
        self.transport.write(
            b"HTTP/1.1 %d Refused\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%b" % (status, len(body), body)
        )
        self.transport.close()


class DoorServer(uvicorn.Server):
    """A uvicorn server that leaves signals to whoever runs the stage."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none."""
        yield


def door_server(application: Any) -> DoorServer:
    """A server for `application`, an ASGI 3 callable; serve it on sockets of your own."""
    return DoorServer(
        uvicorn.Config(
            application,
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
