"""The API over HTTP, as a program and as a browser use it."""

from typing import Any

import httpx
import pytest

from tenants.services import Services
from tenants.source_kinds import Endpoints
from tenants.triage.intake import take
from tests.integration.api_kit import Browser, odd_sign_in, served


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
