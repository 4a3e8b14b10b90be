"""Brings lines to a door as a partner's system would: HTTP with a token, or syslog over TCP."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Protocol
from urllib.parse import urlsplit

from collectors.bus.contract import Malformed, Overloaded

TIMEOUT = 10.0
"""Seconds for a door to answer."""
BUSY = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class HttpDoor:
    """Where a source's events are posted."""

    tenant: str
    source: str
    url: str
    token: str


@dataclass(frozen=True)
class SyslogDoor:
    """Where a source's syslog goes, over TCP."""

    tenant: str
    source: str
    host: str
    port: int


Door = HttpDoor | SyslogDoor


class Sender(Protocol):
    """Sends the lines of one source; one thread uses it."""

    def send(self, lines: Sequence[bytes], key: str) -> None:
        """Return once the door has taken all lines. The same lines with the same key may be sent
        again. Raises Overloaded when they may not have been taken, Malformed when they never will.
        """

    def close(self) -> None:
        """Let go of the connection."""


def sender(door: Door) -> Sender:
    """The sender of a door."""
    return _Http(door) if isinstance(door, HttpDoor) else _Syslog(door)


class _Http:
    """Keeps one connection open; the key makes a repeat the same events."""

    def __init__(self, door: HttpDoor) -> None:
        parts = urlsplit(door.url)
        if parts.scheme not in ("http", "https") or parts.hostname is None:
            raise ValueError(f"expected an http or https address, got {door.url!r}")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT)
        self._path = parts.path or "/"
        self._door = door

    def send(self, lines: Sequence[bytes], key: str) -> None:
        headers = {
            "Authorization": f"Bearer {self._door.token}",
            "Content-Type": "application/x-ndjson",
            "Idempotency-Key": key,
        }
        try:
            self._connection.request("POST", self._path, b"\n".join(lines) + b"\n", headers)
            response = self._connection.getresponse()
            answer = response.read(2000)
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise Overloaded(f"{self._door.url}: {error}") from error
        if response.status in BUSY:
            raise Overloaded(f"{self._door.url} answered {response.status}")
        if response.status != 202:
            text = answer.decode("utf-8", "replace")
            raise Malformed(
                f"{self._door.url} answered {response.status} to {self._door.tenant}'s source "
                f"{self._door.source}: {text}"
            )

    def close(self) -> None:
        self._connection.close()


class _Syslog:
    """One connection a batch, octet-counted; the door closes its side once it has read all."""

    def __init__(self, door: SyslogDoor) -> None:
        self._address = (door.host, door.port)

    def send(self, lines: Sequence[bytes], key: str) -> None:  # noqa: ARG002 - each line has its id
        frames = b"".join(b"%d %b" % (len(line), line) for line in lines)
        try:
            with socket.create_connection(self._address, TIMEOUT) as connection:
                connection.sendall(frames)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1024):
                    pass
        except OSError as error:
            raise Overloaded(f"syslog at {self._address[0]}:{self._address[1]}: {error}") from error

    def close(self) -> None:
        """Nothing is held between batches."""
