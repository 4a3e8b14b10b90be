"""What `citysoc up` hears of its stages, whatever they answer."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from deploy.counters import read_metrics

HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
BODY = b'# TYPE citysoc_signals counter\ncitysoc_signals_total{level="high"} 3.0\n'


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A stage on a loopback port that says this and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_a_stage_is_heard() -> None:
    with answering(HEAD % len(BODY) + BODY) as port:
        assert read_metrics(port) == {"citysoc_signals_total": 3.0}


@pytest.mark.parametrize("answer", [HEAD % 5316, HEAD % 5316 + BODY, b"nonsense", b""])
def test_a_stage_that_breaks_off_has_not_answered(answer: bytes) -> None:
    with answering(answer) as port:
        assert read_metrics(port) is None
