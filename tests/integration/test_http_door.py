"""The HTTP door over real sockets: what it takes, what it refuses, and what stands on the bus."""

import contextlib
import gzip
import http.client
import json
import os
import random
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from collectors.bus.embedded import EmbeddedBus
from collectors.sources import held, http_server
from collectors.sources import http as http_door
from collectors.stage import Ports
from tests.integration.door_kit import Doors, Sender, make_bus, read_events, route, wait_for

ROOT = Path(__file__).parents[2]
GOOD = b'{"a":1}\n{"a":2}\n'


def answered(doors: Doors, request: bytes) -> bytes:
    """What the door answers to these bytes, until it hangs up."""
    with doors.dial() as dialled:
        dialled.sendall(request)
        return b"".join(iter(lambda: dialled.recv(65536), b""))


@pytest.mark.parametrize(
    ("body", "headers", "answer"),
    [
        (GOOD, {}, (2, 0, [])),
        (b'[{"a":1},{"a":2},"plain words"]', {"Content_Type": "application/json"}, (3, 1, [3])),
        (b'{\n "a": 1\n}', {}, (1, 0, [])),
        (b"what\n\n\xff\xfe\n" + GOOD, {}, (4, 2, [1, 3])),
        (gzip.compress(GOOD, mtime=0), {"Content_Encoding": "gzip"}, (2, 0, [])),
        (gzip.compress(GOOD, mtime=0), {}, (2, 0, [])),
        (b"", {}, (0, 0, [])),
        (b"[]", {}, (0, 0, [])),
        (b'[{"a":\n', {"Content_Type": "text/plain; charset=utf-8"}, (1, 1, [1])),
    ],
)
def test_what_splits_into_events_is_taken(
    doors: Doors, body: bytes, headers: dict[str, str], answer: tuple[int, int, list[int]]
) -> None:
    status, said = doors.post(body, **headers)

    assert status == 202
    assert (said["accepted"], said["unparsed"], said["unparsed_lines"]) == answer
    assert len(doors.events()) == answer[0]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (GOOD, {"token": "bank-we"}, 401),
        (GOOD, {"token": ""}, 401),
        (GOOD, {"Authorization": "Basic bank-web"}, 401),
        (GOOD, {"Authorization": "bank-web"}, 401),
        (GOOD, {"token": "bank-web\xff"}, 401),
        (b'[{"a":1},', {}, 400),
        (gzip.compress(GOOD, mtime=0)[:-3], {"Content_Encoding": "gzip"}, 400),
        (GOOD, {"Content_Encoding": "gzip"}, 400),
        (GOOD, {"Content_Encoding": "br"}, 415),
        (gzip.compress(bytes(65 << 20), mtime=0), {"Content_Encoding": "gzip"}, 413),
        (os.urandom((16 << 20) + 1), {"Content_Encoding": "gzip"}, 413),
        (b"x" * ((64 << 20) + 1), {}, 413),
        (GOOD + b"x" * 900_001, {}, 413),
    ],
)
def test_what_is_refused_says_why_and_leaves_nothing(
    doors: Doors, body: bytes, headers: dict[str, str], status: int
) -> None:
    token = headers.pop("token", "bank-web")

    got, said = doors.post(body, token, **headers)

    assert got == status
    assert set(said) == {"error", "expected", "do"}
    assert all(said.values())
    assert doors.events() == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/ingest/events", 405),
        ("PUT", "/ingest/events", 405),
        ("POST", "/healthz", 405),
        ("POST", "/ingest/events/", 404),
        ("POST", "/ingest//events", 404),
        ("GET", "/../etc/passwd", 404),
        ("GET", "/", 404),
    ],
)
def test_other_methods_and_paths_are_refused(
    doors: Doors, method: str, path: str, status: int
) -> None:
    got, _, body = doors.ask(method, path, b"", {"Authorization": "Bearer bank-web"})

    assert got == status
    assert set(json.loads(body)) == {"error", "expected", "do"}


def test_a_token_leads_to_its_own_tenant_whatever_the_event_says(doors: Doors) -> None:
    claims = b'{"tenant":"school","soc":{"tenant":"school","source":"x"},"who":"%b"}'

    doors.post(claims % b"bank", "bank-web", X_Tenant="school")
    doors.post(claims % b"school", "school-web")

    for tenant in ("bank", "school"):
        ((fields, soc),) = doors.events(tenant)
        assert (soc.tenant, soc.source, fields["who"]) == (tenant, "web", tenant)


def test_routes_change_without_a_restart(doors: Doors) -> None:
    before = doors.post(GOOD)[0]

    doors.routes.replace([route("school", "new")])

    assert before == 202
    assert doors.post(GOOD)[0] == 401
    assert doors.post(GOOD, "school-new")[0] == 202


def test_the_same_idempotency_key_gives_the_same_events(doors: Doors) -> None:
    for _ in range(2):
        assert doors.post(GOOD, Idempotency_Key="batch-1")[0] == 202
    doors.post(GOOD, Idempotency_Key="batch-2")

    ids = [soc.id for _, soc in doors.events()]
    assert len(ids) == 6
    assert len(set(ids)) == 4


def test_the_senders_own_ids_name_its_events(doors: Doors) -> None:
    for _ in range(2):
        doors.post(b'{"eventID":"e-1"}\n{"eventID":"e-2"}', Event_Id_Field="eventID")

    assert len({soc.id for _, soc in doors.events()}) == 2


def test_an_overloaded_bus_is_503_with_nothing_kept_and_then_fine(doors: Doors) -> None:
    doors.bus.full = True
    status, headers, body = doors.ask(
        "POST", "/ingest/events", GOOD, {"Authorization": "Bearer bank-web"}
    )
    health = doors.ask("GET", "/healthz")

    doors.bus.full = False
    again = doors.post(GOOD)

    assert status == 503
    assert int(headers["retry-after"]) > 0
    assert set(json.loads(body)) == {"error", "expected", "do"}
    assert health[0] == 503
    assert again[0] == 202
    assert len(doors.events()) == 2
    assert doors.ask("GET", "/healthz")[0] == 200


def test_a_tenant_without_a_topic_waits_and_disturbs_nobody(doors: Doors) -> None:
    doors.routes.replace([*doors.routes.all(), route("new", "web")])

    with ThreadPoolExecutor(8) as pool:
        tokens = ["new-web", "bank-web"] * 10
        statuses = list(pool.map(lambda token: doors.post(GOOD, token)[0], tokens))

    assert statuses == [503, 202] * 10
    assert len(doors.events()) == 20


def test_many_senders_at_once_are_all_answered_and_kept(doors: Doors) -> None:
    def send(number: int) -> int:
        tenant = ("bank", "school")[number % 2]
        return doors.post(b'{"n":%d}' % number, f"{tenant}-web")[1]["accepted"]

    with ThreadPoolExecutor(16) as pool:
        accepted = list(pool.map(send, range(200)))

    assert accepted == [1] * 200
    for tenant, odd in (("bank", 0), ("school", 1)):
        numbers = {fields["n"] for fields, _ in doors.events(tenant)}
        assert numbers == set(range(odd, 200, 2))


def test_a_tenant_with_a_large_body_does_not_hold_up_another(doors: Doors) -> None:
    large = gzip.compress(b'{"a":1}\n' * 50_000)

    with ThreadPoolExecutor(6) as pool:
        greedy = [pool.submit(doors.post, large) for _ in range(6)]
        for _ in range(5):
            assert doors.post(GOOD, "school-web")[0] == 202
        assert not all(each.done() for each in greedy)
        assert {each.result()[0] for each in greedy} == {202}


def test_what_unpacks_to_too_much_at_once_is_refused_until_there_is_room(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "MAX_HELD", 1_000_000)
    packed = gzip.compress(b" " * 600_000)

    assert doors.post(packed)[0] == 503
    assert doors.post(packed[:-20])[0] == 400
    assert doors.post(gzip.compress(b" " * 400_000))[0] == 202


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


def test_health_and_metrics_tell_nothing_of_tenants(doors: Doors) -> None:
    doors.post(GOOD)
    doors.post(GOOD, "forged")

    health = doors.ask("GET", "/healthz")
    metrics = doors.ask("GET", "/metrics")

    assert health[0] == metrics[0] == 200
    assert json.loads(health[2])["status"] == "ok"
    assert b'citysoc_events_accepted_total{door="http"}' in metrics[2]
    assert b'citysoc_door_refused_total{door="http",reason="token"}' in metrics[2]
    for secret in (b"bank", b"school"):
        assert secret not in health[2] + metrics[2]


def test_a_clean_stop_answers_what_is_under_way(tmp_path: Path) -> None:
    bus = make_bus(tmp_path / "bus.db")
    running = Doors(bus)
    running.start()
    body = b'{"a":1}\n' * 5_000

    with ThreadPoolExecutor(4) as pool:
        posts = [pool.submit(running.post, body) for _ in range(8)]
        wait_for(lambda: any(each.done() for each in posts))
        begun = time.monotonic()
        running.stop()
        took = time.monotonic() - begun
        taken = [each for each in posts if each.exception() is None and each.result()[0] == 202]

    assert took < 5
    assert taken
    assert len(read_events(bus, "bank")) >= 5_000 * len(taken)
    bus.close()


SERVE = """
import sys, threading
from pathlib import Path
from tests.integration.door_kit import make_bus, route
from collectors.route import RouteTable
from collectors.stage import run_collectors
bus = make_bus(Path(sys.argv[1]))
bus.broken = "broken" in sys.argv
run_collectors(
    bus,
    RouteTable([route("bank", "web")]),
    ingest_port=0,
    syslog_port=0,
    stop=threading.Event(),
    ready=lambda ports: print(ports.ingest, flush=True),
)
"""


def test_what_was_answered_202_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "bus.db"
    kept = 0
    for round_ in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", SERVE, str(path)], cwd=ROOT, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            try:
                sender = Sender(Ports(int(process.stdout.readline()), {}))
                for number in range(5):
                    status, said = sender.post(b'{"round":%d,"n":%d}' % (round_, number))
                    assert status == 202
                    kept += said["accepted"]
            finally:
                process.kill()

    assert len(read_events(EmbeddedBus(path), "bank")) == kept == 10


def test_a_bug_behind_the_door_ends_the_stage_and_answers_nobody_202(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(tmp_path / "bus.db"), "broken"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            sender = Sender(Ports(int(process.stdout.readline()), {}))
            with contextlib.suppress(OSError, http.client.HTTPException):
                head = {"Authorization": "Bearer bank-web"}
                assert sender.ask("POST", "/ingest/events", GOOD, head)[0] == 500
            _, errors = process.communicate(timeout=10)
        finally:
            process.kill()

    assert process.returncode == 1
    assert b"a bug" in errors
    assert read_events(EmbeddedBus(tmp_path / "bus.db"), "bank") == []
