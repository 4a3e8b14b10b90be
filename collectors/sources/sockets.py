"""Opens listening sockets, with errors that say which port and what to do."""

import contextlib
import errno
import socket
import struct
import sys
from typing import NamedTuple

ATTEMPTS = 20
RECEIVE_BUFFER = 4 << 20
"""What the kernel holds of datagrams while we are busy; it gives what it allows."""


MEMINFO = struct.Struct("9I")
SO_MEMINFO = 55
"""Linux's own; the last of its numbers counts the datagrams that found no room."""


class PortTaken(Exception):
    """A port can't be opened; the message says which and what to do."""


class Pair(NamedTuple):
    """A TCP and a UDP socket on the same port."""

    tcp: socket.socket
    udp: socket.socket

    @property
    def port(self) -> int:
        """The port of both."""
        return int(self.tcp.getsockname()[1])

    def close(self) -> None:
        """Close both."""
        self.tcp.close()
        self.udp.close()


def listen(host: str, port: int, what: str) -> socket.socket:
    """A TCP socket that listens; `port` 0 takes any. Raises PortTaken."""
    return _bound(socket.SOCK_STREAM, host, port, what)


def listen_pair(host: str, port: int, what: str) -> Pair:
    """TCP and UDP sockets on one port, any that is free for both if 0. Raises PortTaken."""
    for attempt in range(ATTEMPTS):
        tcp = listen(host, port, what)
        try:
            return Pair(tcp, _bound(socket.SOCK_DGRAM, host, tcp.getsockname()[1], what))
        except PortTaken:
            tcp.close()
            if port or attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def dropped(udp: socket.socket) -> int:
    """Datagrams that the kernel has dropped before we could read them; 0 where it can't tell."""
    if sys.platform != "linux":
        return 0
    told = udp.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, MEMINFO.size)
    return int(MEMINFO.unpack(told)[-1]) if len(told) == MEMINFO.size else 0


def _bound(kind: socket.SocketKind, host: str, port: int, what: str) -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    try:
        opened.setblocking(False)
        if kind == socket.SOCK_STREAM:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            with contextlib.suppress(OSError):
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        opened.bind((host, port))
        if kind == socket.SOCK_STREAM:
            opened.listen(1024)
    except OSError as error:
        opened.close()
        raise PortTaken(_why(kind, host, port, what, error)) from error
    return opened


def _why(kind: socket.SocketKind, host: str, port: int, what: str, error: OSError) -> str:
    name = "TCP" if kind == socket.SOCK_STREAM else "UDP"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{what}: {name} port {port} on {host} is in use; stop the program that has it, "
            "or move all ports with --port"
        )
    return (
        f"{what}: {name} port {port} on {host} can't be opened ({error.strerror}); check the host"
    )
