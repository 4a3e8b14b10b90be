"""The API over HTTP, as a program and as a browser use it."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST

from detection.alert import Alert
from tenants import passwords
from tenants.access import OPERATOR, Role
from tenants.api.app import create_app
from tenants.database import Database
from tenants.onboarding import Onboarding
from tenants.people import People
from tenants.policies import RuleText
from tenants.services import Services
from tenants.source_kinds import Endpoints
from tenants.store.embedded import EmbeddedStore
from tenants.triage.intake import take
from tests.alerts import alert
from tests.databases import Place

PASSWORD = "a long password"
RULE = RuleText(rule="r1", title="Odd sign-in", level="high", advice="Ask the user.")
OPEN = {("/api/v1/session", "post")}
"""What needs no credentials."""


@contextlib.contextmanager
def served(services: Services) -> Iterator[str]:
    """A real server on a free port of loopback."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(create_app(services), log_level="warning", ws="none")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            deadline = time.monotonic() + 30
            while not server.started:
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def cheap_passwords() -> Iterator[None]:
    """Hashing that takes no time; how it is done in earnest has a test of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", PasswordHasher.from_parameters(CHEAPEST))
        yield


@pytest.fixture(scope="module")
def services(
    cheap_passwords: None, place: Place, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    folder: Path = tmp_path_factory.mktemp("api")
    database = Database.open(place.program)
    onboarding = Onboarding(database, OPERATOR, Endpoints())
    for tenant in ("council", "school"):
        onboarding.add_tenant(tenant, tenant.title())
    people = People(database, OPERATOR)
    for user, role, tenants in (
        ("root", Role.ADMIN, []),
        ("kim", Role.ANALYST, []),
        ("sam", Role.ANALYST, []),
        ("pat", Role.PARTNER, ["school"]),
    ):
        people.add_user(user, user.title(), role, tenants, password=PASSWORD)
    with contextlib.closing(EmbeddedStore(folder / "store")) as store:
        yield Services(
            database,
            store,
            endpoints=Endpoints(),
            rules={"r1": RULE},
            status=lambda: {"stage": "serve", "status": "running"},
        )
    database.close()


@pytest.fixture(scope="module")
def address(services: Services) -> Iterator[str]:
    with served(services) as address:
        yield address


class Browser(httpx.Client):
    """Signed in by cookie, with the CSRF token in its headers."""

    def __init__(self, address: str, user: str) -> None:
        super().__init__(base_url=address)
        answer = self.post("/api/v1/session", json={"user": user, "password": PASSWORD})
        self.signed_in = answer
        self.headers["X-CSRF-Token"] = answer.json()["csrf"]


@pytest.fixture(scope="module")
def browsers(address: str) -> Iterator[dict[str, Browser]]:
    with contextlib.ExitStack() as stack:
        names = ("root", "kim", "sam", "pat")
        yield {
            name: stack.enter_context(contextlib.closing(Browser(address, name))) for name in names
        }


def odd_sign_in(number: int, *, body: bytes = b'{"EventID":4624}', rule: str = "r1") -> Alert:
    return alert(
        f"ws-{number}",
        "2026-11-24T10",
        rule=rule,
        title="Odd sign-in",
        count=1,
        events=("0" * 32,),
        bodies=(msgspec.Raw(body),),
    )


@pytest.fixture
def item(services: Services, request: pytest.FixtureRequest) -> str:
    """An open item of its own for every test."""
    one = odd_sign_in(abs(hash(request.node.nodeid)))
    take(services.database, [one])
    return one.id


def routes(address: str) -> list[tuple[str, str]]:
    document = httpx.get(f"{address}/api/v1/openapi.json").json()
    return [(path, method) for path, methods in document["paths"].items() for method in methods]


def test_nothing_but_sign_in_answers_without_credentials(address: str) -> None:
    with httpx.Client(base_url=address) as nobody:
        for path, method in set(routes(address)) - OPEN:
            answer = nobody.request(method, path, json={})

            assert answer.status_code == 401, (method, path)
            assert set(answer.json()) == {"error", "expected", "do"}
            assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("authorization", ["Bearer x", "Bearer", "Basic eDp5", "x", "bearer a b"])
def test_a_forged_token_is_refused_even_beside_a_good_cookie(
    browsers: dict[str, Browser], authorization: str
) -> None:
    answer = browsers["kim"].get("/api/v1/me", headers={"Authorization": authorization})

    assert answer.status_code == 401


def test_no_change_by_cookie_is_taken_without_the_csrf_token(
    address: str, browsers: dict[str, Browser]
) -> None:
    of_another_session = browsers["kim"].headers["X-CSRF-Token"]
    cookies = dict(browsers["root"].cookies)
    with httpx.Client(base_url=address, cookies=cookies) as forger:
        for path, method in set(routes(address)) - OPEN:
            for token in ({}, {"X-CSRF-Token": "x"}, {"X-CSRF-Token": of_another_session}):
                answer = forger.request(method, path, headers=token, json={})

                refused = answer.status_code == 403 and "CSRF" in answer.json()["error"]
                assert refused is (method != "get"), (method, path)


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    browsers: dict[str, Browser],
) -> None:
    cookie = browsers["kim"].signed_in.headers["set-cookie"].lower()

    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie


def test_the_cookie_is_kept_to_tls_where_there_is_tls(services: Services) -> None:
    secured = Services(
        services.database,
        services.store,
        endpoints=Endpoints(console="https://soc.example"),
        rules={},
        status=services.status,
    )

    with served(secured) as address:
        body = {"user": "kim", "password": PASSWORD}
        answer = httpx.post(f"{address}/api/v1/session", json=body)

    assert "secure" in answer.headers["set-cookie"].lower()


def test_signing_out_ends_the_session(address: str) -> None:
    with contextlib.closing(Browser(address, "sam")) as browser:
        cookies = dict(browser.cookies)
        assert browser.delete("/api/v1/session").status_code == 204
    with httpx.Client(base_url=address, cookies=cookies) as stolen:
        assert stolen.get("/api/v1/me").status_code == 401


def test_a_token_does_what_its_owner_may(address: str, browsers: dict[str, Browser]) -> None:
    made = browsers["pat"].post("/api/v1/tokens", json={"name": "export"}).json()
    headers = {"Authorization": f"Bearer {made['token']}"}

    with httpx.Client(base_url=address, headers=headers) as program:
        assert program.get("/api/v1/me").json()["tenants"] == ["school"]
        assert program.get("/api/v1/tenants/council").status_code == 404
        created = program.post("/api/v1/tokens", json={"name": "second"})
        assert created.status_code == 201
        assert program.delete(f"/api/v1/tokens/{made['id']}").status_code == 204
        assert program.get("/api/v1/me").status_code == 401


def test_guessing_is_answered_with_429_and_a_time(address: str) -> None:
    answers = [
        httpx.post(f"{address}/api/v1/session", json={"user": "guessed", "password": "x"})
        for _ in range(6)
    ]

    assert [answer.status_code for answer in answers] == [401] * 4 + [429] * 2
    assert int(answers[-1].headers["Retry-After"]) >= 1


def test_an_alert_goes_from_claim_to_verdict(browsers: dict[str, Browser], item: str) -> None:
    kim, sam, pat = browsers["kim"], browsers["sam"], browsers["pat"]
    path = f"/api/v1/alerts/{item}"

    detail = pat.get(path).json()
    claimed = kim.post(f"{path}/claim")
    slower = sam.post(f"{path}/claim")
    noted = pat.post(f"{path}/notes", json={"text": "Our printer."})
    closed = kim.post(f"{path}/verdict", json={"verdict": "false_positive", "reason": "Printer."})
    reopened = kim.post(f"{path}/reopen")

    assert detail["alert"]["evidence"][0]["body"] == {"EventID": 4624}
    assert detail["rule"]["advice"] == "Ask the user."
    assert claimed.json()["owner"] == "kim"
    assert slower.status_code == 409
    assert slower.json()["who"] == "kim"
    assert noted.status_code == 201
    assert closed.json()["state"] == "closed"
    assert reopened.json()["state"] == "open"
    assert [note["text"] for note in kim.get(f"{path}/notes").json()["notes"]] == ["Our printer."]
    history = [change["what"] for change in kim.get(f"{path}/history").json()["history"]]
    assert history == ["opened", "claimed", "noted", "closed", "reopened"]
    assert kim.post(f"{path}/claim").status_code == 200
    assert kim.post(f"{path}/release").json()["owner"] is None


def test_lists_are_paged_and_filtered(services: Services, browsers: dict[str, Browser]) -> None:
    take(services.database, [odd_sign_in(number, rule="paged") for number in range(5)])
    kim = browsers["kim"]
    asked: dict[str, Any] = {"rule": "paged", "limit": 2, "state": ["open", "claimed"]}

    seen: list[str] = []
    while True:
        page = kim.get("/api/v1/alerts", params=asked).json()
        seen += [one["id"] for one in page["items"]]
        if page["cursor"] is None:
            break
        asked["cursor"] = page["cursor"]

    assert len(seen) == len(set(seen)) == 5
    counts = kim.get("/api/v1/alerts/counts").json()
    assert counts["by_tenant"]["school"] >= 5


def test_events_that_are_no_proper_unicode_are_shown_as_they_are(
    services: Services, browsers: dict[str, Browser]
) -> None:
    odd = odd_sign_in(7, body=rb'{"Image":"a\ud800b"}', rule="odd")
    take(services.database, [odd])

    answer = browsers["kim"].get(f"/api/v1/alerts/{odd.id}")

    assert rb'"a\ud800b"' in answer.content


def test_a_source_is_onboarded_changed_and_closed(browsers: dict[str, Browser]) -> None:
    pat = browsers["pat"]
    path = "/api/v1/tenants/school/sources"

    made = pat.post(path, json={"kind": "firewall", "name": "edge", "senders": ["192.0.2.1"]})
    changed = pat.patch(f"{path}/edge", json={"senders": ["192.0.2.0/24"], "enabled": False})
    rotated = pat.post(f"{path}/edge/token")

    assert made.status_code == 201
    assert made.json()["token"] != rotated.json()["token"]
    assert changed.json()["senders"] == ["192.0.2.0/24"]
    assert changed.json()["enabled"] is False
    listed = pat.get(path)
    assert [source["name"] for source in listed.json()["sources"]] == ["edge"]
    assert made.json()["token"] not in listed.text
    assert pat.get(f"{path}/edge").json() == listed.json()["sources"][0]
    assert pat.post(path, json={"kind": "firewall", "name": "edge"}).status_code == 409
    assert {"kind", "title", "transport", "logsources", "schema"} == set(
        pat.get("/api/v1/source-kinds").json()["kinds"][0]
    )


def test_assets_are_replaced_as_json_or_csv(browsers: dict[str, Browser]) -> None:
    pat, path = browsers["pat"], "/api/v1/tenants/school/assets"

    by_json = pat.put(path, json=[{"kind": "host", "name": "a"}])
    by_csv = pat.put(
        f"{path}.csv",
        content="kind,name,owner\nhost,b,IT\n",
        headers={"Content-Type": "text/csv"},
    )
    wrong = pat.put(
        f"{path}.csv", content="kind,name\nmoon,b\n", headers={"Content-Type": "text/csv"}
    )

    assert by_json.json()["assets"][0]["criticality"] == "normal"
    assert by_csv.json()["assets"] == [
        {"kind": "host", "name": "b", "owner": "IT", "criticality": "normal"}
    ]
    assert wrong.status_code == 422
    assert "line 2" in wrong.json()["error"]
    assert pat.get(path).json() == by_csv.json()


def test_rule_states_are_set_by_staff_and_read_by_the_tenant(
    browsers: dict[str, Browser],
) -> None:
    path = "/api/v1/tenants/school/rules"

    changed = browsers["kim"].put(path, json={"states": {"r1": "signal"}})
    refused = browsers["pat"].put(path, json={"states": {"r1": "off"}})

    assert changed.json()["rules"][0]["state"] == "signal"
    assert refused.status_code == 403
    assert browsers["pat"].get(path).json() == changed.json()
    assert browsers["kim"].put(path, json={"states": {"r1": "loud"}}).status_code == 422


def test_searching_is_audited_for_the_tenant_to_see(browsers: dict[str, Browser]) -> None:
    path = "/api/v1/tenants/school/events"

    found = browsers["kim"].get(path, params={"q": "EventID:4624"})
    wrong = browsers["kim"].get(path, params={"q": "((("})
    absent = browsers["kim"].get(f"{path}/{'0' * 32}")

    assert found.json() == {"events": [], "after": None}
    assert wrong.status_code == 422
    assert absent.status_code == 404
    entries = browsers["pat"].get("/api/v1/tenants/school/audit").json()["entries"]
    assert ("kim", "events searched", "EventID:4624") in [
        (entry["who"], entry["what"], entry["detail"]) for entry in entries
    ]
    assert browsers["pat"].get("/api/v1/audit").status_code == 403
    assert browsers["root"].get("/api/v1/audit").status_code == 200


def test_users_are_made_shut_out_and_reset(address: str, browsers: dict[str, Browser]) -> None:
    root = browsers["root"]
    body = {"id": "lou", "name": "Lou", "role": "partner", "tenants": ["school"]}

    made = root.post("/api/v1/users", json=body).json()
    reset = root.post("/api/v1/users/lou/password").json()
    shut = root.patch("/api/v1/users/lou", json={"enabled": False}).json()

    assert made["password"] != reset["password"]
    assert shut["enabled"] is False
    assert "lou" in [user["id"] for user in browsers["pat"].get("/api/v1/users").json()["users"]]
    credentials = {"user": "lou", "password": reset["password"]}
    assert httpx.post(f"{address}/api/v1/session", json=credentials).status_code == 401
    assert browsers["pat"].post("/api/v1/users", json=body).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/v1/tenants", {"id": "museum", "name": "M", "odd": 1}, 422),
        ("POST", "/api/v1/tenants", {"id": 7, "name": "M"}, 422),
        ("POST", "/api/v1/tenants", [], 422),
        ("POST", "/api/v1/tenants", {"id": "UPPER", "name": "M"}, 422),
        ("POST", "/api/v1/tenants", {"id": "school", "name": "M"}, 409),
        ("GET", "/api/v1/alerts?limit=0", None, 422),
        ("GET", "/api/v1/alerts?state=lost", None, 422),
        ("GET", "/api/v1/alerts?cursor=x", None, 422),
        ("GET", "/api/v1/tenants/school/audit?cursor=-1", None, 422),
        ("GET", "/api/v1/tenants/school/audit?cursor=%C2%B2", None, 422),
        ("GET", "/api/v1/tenants/school/events?after=x", None, 422),
        ("GET", "/api/v1/tenants/school/events?since=soon", None, 422),
        ("GET", "/api/v1/tenants/ghosts/events", None, 404),
        ("GET", "/api/v1/nothing", None, 404),
        ("PUT", "/api/v1/me", None, 405),
    ],
)
def test_every_fault_is_a_problem_that_says_what_to_do(
    browsers: dict[str, Browser], method: str, path: str, body: Any, status: int
) -> None:
    answer = browsers["root"].request(method, path, json=body)

    assert answer.status_code == status
    assert {"error", "expected", "do"} <= set(answer.json())
    assert all(answer.json().values())


def test_a_body_that_is_too_large_is_refused_with_a_problem(browsers: dict[str, Browser]) -> None:
    content = b"x" * (16 * 1024 * 1024 + 1)

    answer = browsers["pat"].put(
        "/api/v1/tenants/school/assets.csv", content=content, headers={"Content-Type": "text/csv"}
    )

    assert answer.status_code == 413
    assert {"error", "expected", "do"} <= set(answer.json())


def test_every_route_says_what_it_answers_with(address: str) -> None:
    document = httpx.get(f"{address}/api/v1/openapi.json").json()
    text = str(document)
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            good = [code for code in route["responses"] if code.startswith("2")]
            assert good, (method, path)
            if "204" not in good:
                schema = route["responses"][good[0]]["content"]["application/json"]["schema"]
                assert schema, (method, path)
    for name in {part.split("'")[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in document["components"]["schemas"]


def test_a_fault_of_ours_tells_nothing_of_itself(services: Services) -> None:
    def broken() -> dict[str, Any]:
        raise RuntimeError("canary")

    faulty = Services(
        services.database, services.store, endpoints=Endpoints(), rules={}, status=broken
    )

    with served(faulty) as address:
        answer = httpx.get(f"{address}/healthz")

    assert answer.status_code == 500
    assert "canary" not in answer.text
    assert {"error", "expected", "do"} == set(answer.json())


def test_health_and_metrics_are_open_and_name_no_tenant(address: str) -> None:
    health = httpx.get(f"{address}/healthz")
    metrics = httpx.get(f"{address}/metrics")

    assert health.json()["status"] == "running"
    assert "citysoc_queue_items_total" in metrics.text
    assert "school" not in metrics.text
