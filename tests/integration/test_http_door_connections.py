"""The HTTP door's own HTTP: what is no request, slow or breaks off costs only who sent it."""

import contextlib
import json
import random
import socket

import pytest

from collectors.sources import http as http_door
from collectors.sources import http_server
from tests.integration.door_kit import Doors, wait_for

GOOD = b'{"a":1}\n{"a":2}\n'


def answered(doors: Doors, request: bytes) -> bytes:
    """What the door answers to these bytes, until it hangs up."""
    with doors.dial() as dialled:
        dialled.sendall(request)
        return b"".join(iter(lambda: dialled.recv(65536), b""))


def test_bytes_that_are_no_request_break_nothing(doors: Doors) -> None:
    chaos = random.Random(7)
    begins = [b"", b"POST /ingest/events HTTP/1.1\r\n", b"POST /ingest/events HTTP/1.1\r\n\r\n"]

    for number in range(150):
        with doors.dial() as dialled, contextlib.suppress(OSError):
            dialled.sendall(begins[number % 3] + chaos.randbytes(chaos.randrange(200)))
            dialled.shutdown(socket.SHUT_WR)

    assert doors.post(GOOD)[0] == 202
    assert len(doors.events()) == 2


def test_a_connection_serves_many_requests_refused_ones_too(doors: Doors) -> None:
    statuses = []
    with doors.connect() as connection:
        for token in ("bank-web", "forged", "bank-web"):
            connection.request("POST", "/ingest/events", GOOD, {"Authorization": f"Bearer {token}"})
            response = connection.getresponse()
            response.read()
            statuses.append((response.status, response.getheader("connection")))

    assert statuses == [(202, None), (401, None), (202, None)]


def test_who_asks_before_sending_a_large_body_is_answered_first(doors: Doors) -> None:
    head = (
        b"POST /ingest/events HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n"
        b"content-length: 5000000\r\nauthorization: Bearer %b\r\n\r\n"
    )

    refused = answered(doors, head % b"forged")
    with doors.dial() as dialled:
        dialled.sendall(head % b"bank-web")
        invited = dialled.recv(100)

    assert refused.startswith(b"HTTP/1.1 401")
    assert invited.startswith(b"HTTP/1.1 100")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"hello\r\n\r\n", b"400"),
        (b"POST /ingest/events HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", b"400"),
        (b"POST /ingest/events HTTP/1.1\r\ncontent-length: x\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 70_000, b"431"),
        (b"GET / HTTP/1.1\r\nx: " + b"x" * 70_000, b"431"),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 20_000, b"431"),
    ],
)
def test_what_is_no_http_or_has_too_large_a_head_is_refused(
    doors: Doors, request_: bytes, status: bytes
) -> None:
    answer = answered(doors, request_)

    assert answer.startswith(b"HTTP/1.1 " + status)
    assert set(json.loads(answer.partition(b"\r\n\r\n")[2])) == {"error", "expected", "do"}


def test_a_slow_head_is_hung_up_on(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "HEAD_SECONDS", 0.2)

    silent = answered(doors, b"")
    halting = answered(doors, b"POST /ingest/events HTTP/1.1\r\nhost:")

    assert silent.startswith(b"HTTP/1.1 408")
    assert halting.startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("limit", ["CHUNK_SECONDS", "BODY_SECONDS"])
def test_a_slow_body_is_hung_up_on(
    doors: Doors, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(http_door, limit, 0.2)
    monkeypatch.setattr(http_door, "DRAIN_SECONDS", 0.1)

    answer = answered(
        doors,
        b"POST /ingest/events HTTP/1.1\r\nauthorization: Bearer bank-web\r\n"
        b"content-length: 100\r\n\r\n" + GOOD,
    )

    assert answer.startswith(b"HTTP/1.1 408")
    assert doors.events() == []


def test_a_body_that_breaks_off_leaves_nothing(doors: Doors) -> None:
    with doors.dial() as dialled:
        dialled.sendall(
            b"POST /ingest/events HTTP/1.1\r\nauthorization: Bearer bank-web\r\n"
            b"content-length: 100\r\n\r\n" + GOOD
        )

    assert doors.post(b'{"after":1}')[0] == 202
    assert [fields for fields, _ in doors.events()] == [{"after": 1}]


def test_chunked_bodies_are_taken(doors: Doors) -> None:
    answer = answered(
        doors,
        b"POST /ingest/events HTTP/1.1\r\nauthorization: Bearer bank-web\r\nconnection: close\r\n"
        b'transfer-encoding: chunked\r\n\r\n4\r\n{"a"\r\n4\r\n:1}\n\r\n0\r\n\r\n',
    )

    assert answer.startswith(b"HTTP/1.1 202")
    assert [fields for fields, _ in doors.events()] == [{"a": 1}]


def test_more_connections_than_allowed_are_told_so(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "MAX_CONNECTIONS", 2)

    with doors.dial(), doors.dial():
        wait_for(lambda: answered(doors, b"").startswith(b"HTTP/1.1 503"))

    wait_for(lambda: doors.ask("GET", "/healthz")[0] == 200)
