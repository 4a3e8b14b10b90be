"""Picks loopback ports that nobody else will take meanwhile."""

import random
import socket

LOWEST, HIGHEST = 15_000, 32_000
"""Below what the system hands to clients, so that none of them ever sits on a server's port."""
TRIES = 200


def free(count: int) -> list[int]:
    """So many different ports of 127.0.0.1 on which nothing listens."""
    found: set[int] = set()
    for _ in range(TRIES):
        port = random.SystemRandom().randint(LOWEST, HIGHEST)
        if is_free(port):
            found.add(port)
        if len(found) == count:
            return sorted(found)
    raise RuntimeError(f"no {count} free ports from {LOWEST} to {HIGHEST} in {TRIES} tries")


def is_free(port: int) -> bool:
    """Whether nothing listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether something takes connections on this port of 127.0.0.1."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
