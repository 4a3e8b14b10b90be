"""The HTTP door over real sockets: what it takes, what it refuses, and what stands on the bus."""

import gzip
import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from collectors.sources import held
from tests.integration.door_kit import Doors, route

GOOD = b'{"a":1}\n{"a":2}\n'


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
