"""The HTTP door: `POST /ingest/events` with a bearer token, and the stage's health and metrics."""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import Any

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from collectors.bus.contract import Malformed, Overloaded
from collectors.intake import Batch, Identity, admit
from collectors.metrics import DOOR_REFUSED, EVENTS_ACCEPTED, EVENTS_UNPARSED
from collectors.route import Route, Routes
from collectors.sources.body import GZIP_MAGIC, TooLarge, inflate, split
from collectors.sources.held import Held, Share
from collectors.sources.refusals import (
    MAX_BODY,
    MAX_COMPRESSED,
    Refusal,
    broken,
    busy,
    too_large,
    too_slow,
    unknown_encoding,
    unknown_path,
    unknown_token,
    wrong_method,
)
from collectors.sources.writer import BusWriter

CHUNK_SECONDS = 15.0
"""How long a sender may pause within a body."""
BODY_SECONDS = 120.0
"""How long a whole body may take."""
MAX_DIGITS = 18
DRAIN_BYTES = 64 << 20
DRAIN_SECONDS = 5.0
"""What is read and thrown away after a refusal, so that its reason arrives at all."""
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Scope = Mapping[str, Any]


class Gone(Exception):
    """The client closed its connection before the body was complete."""


class HttpDoor:
    """The ASGI application."""

    def __init__(
        self,
        routes: Routes,
        writer: BusWriter,
        workers: Executor,
        *,
        health: Callable[[], Mapping[str, object]],
    ) -> None:
        self._routes = routes
        self._writer = writer
        self._workers = workers
        self._health = health
        self._held = Held()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """One body of each tenant is parsed at a time, so that none has all the workers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = Body(receive)
        try:
            status, answer, headers = await self._answer(scope, body)
        except Refusal as refusal:
            DOOR_REFUSED.labels("http", refusal.reason).inc()
            status, headers = refusal.status, list(refusal.headers)
            answer = msgspec.json.encode(refusal.answer)
            if not await _drain(scope, body):
                headers.append((b"connection", b"close"))
        except Gone:
            DOOR_REFUSED.labels("http", "gone").inc()
            return
        await _respond(send, status, answer, headers)

    async def _answer(
        self, scope: Scope, body: "Body"
    ) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        path, method = scope["path"], scope["method"]
        if path == "/ingest/events":
            _allow(method, "POST")
            return 202, msgspec.json.encode(await self._ingest(scope, body)), []
        if path == "/healthz":
            _allow(method, "GET", "HEAD")
            health = self._health()
            status = 200 if health["status"] == "ok" else 503
            return status, msgspec.json.encode(health), []
        if path == "/metrics":
            _allow(method, "GET", "HEAD")
            return 200, generate_latest(), [(b"content-type", CONTENT_TYPE_LATEST.encode())]
        raise unknown_path(path)

    async def _ingest(self, scope: Scope, body: "Body") -> dict[str, object]:
        headers = _headers(scope)
        route = self._route(headers)
        gzip = _gzip(headers)
        share = self._held.share(route.tenant)
        try:
            data = await _read(headers, body, share, gzip=gzip)
            async with self._turns[route.tenant]:
                batch = await asyncio.get_running_loop().run_in_executor(
                    self._workers, _admit, route, headers, data, gzip, share, datetime.now(UTC)
                )
            await self._writer.write(batch)
        except Overloaded as error:
            raise busy(str(error)) from error
        except Malformed as error:
            raise busy(f"the tenant's log is not open: {error}") from error
        finally:
            share.release()
        EVENTS_ACCEPTED.labels("http").inc(len(batch.lines))
        EVENTS_UNPARSED.labels("http").inc(batch.unparsed)
        return {
            "accepted": len(batch.lines),
            "unparsed": batch.unparsed,
            "unparsed_lines": batch.unparsed_lines,
        }

    def _route(self, headers: Mapping[str, str]) -> Route:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        token = token.strip()
        route = self._routes.by_token(token) if scheme.lower() == "bearer" and token else None
        if route is None:
            raise unknown_token(token)
        return route


def _admit(
    route: Route,
    headers: Mapping[str, str],
    body: bytes,
    gzip: bool,
    share: Share,
    received: datetime,
) -> Batch:
    """Everything between the last byte and the bus; runs in a worker thread."""
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if gzip or body.startswith(GZIP_MAGIC):
            body = inflate(body, MAX_BODY)
            share.take(len(body))
        lines = split(
            body,
            plain=content_type == "text/plain",
            declared_json=content_type == "application/json",
        )
    except TooLarge as error:
        raise too_large(str(error)) from error
    except Malformed as error:
        raise broken(str(error)) from error
    identity = Identity(
        field=headers.get("event-id-field", ""),
        key=headers.get("idempotency-key", ""),
        first=_number(headers.get("idempotency-offset", "")),
        nonce=secrets.token_hex(16),
    )
    return admit(route, lines, received=received, identity=identity)


class Body:
    """What a client sends after its head."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.complete = False

    async def chunk(self) -> bytes:
        """The next part, once it is there; raises Gone."""
        message = await self._receive()
        if message["type"] != "http.request":
            raise Gone
        self.complete = not message.get("more_body", False)
        return bytes(message.get("body", b""))


async def _read(headers: Mapping[str, str], body: Body, share: Share, *, gzip: bool) -> bytes:
    """The body as it came; raises Refusal for one too large or too slow, Overloaded, Gone."""
    limit = MAX_COMPRESSED if gzip else MAX_BODY
    declared = _number(headers.get("content-length", ""))
    if declared > limit:
        raise too_large(f"a body of {declared:,} bytes")
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while not body.complete:
                async with asyncio.timeout(CHUNK_SECONDS):
                    chunk = await body.chunk()
                share.take(len(chunk))
                data += chunk
                if len(data) > limit:
                    raise too_large(f"a body of more than {limit:,} bytes")
    except TimeoutError as error:
        came = f"the body came too slowly: {len(data):,} bytes so far"
        raise too_slow(came, CHUNK_SECONDS, BODY_SECONDS) from error
    return bytes(data)


async def _drain(scope: Scope, body: Body) -> bool:
    """Read what the client is still sending, so that it reads us; False if something was left."""
    if "expect" in _headers(scope):
        return body.complete
    left = DRAIN_BYTES
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while not body.complete and left > 0:
                left -= len(await body.chunk())
    except (TimeoutError, Gone):
        return False
    return body.complete


async def _respond(
    send: Send, status: int, answer: bytes, headers: Sequence[tuple[bytes, bytes]]
) -> None:
    head = [(b"content-length", b"%d" % len(answer)), *headers]
    if not any(name == b"content-type" for name, _ in headers):
        head.append((b"content-type", b"application/json"))
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": answer})


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _allow(method: str, *allowed: str) -> None:
    if method not in allowed:
        raise wrong_method(method, allowed)


def _gzip(headers: Mapping[str, str]) -> bool:
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise unknown_encoding(encoding)
    return encoding.endswith("gzip")


def _number(text: str) -> int:
    """A header's number, 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < MAX_DIGITS else 0
