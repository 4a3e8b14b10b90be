"""Who gets into the API, by cookie or token, and what keeps others out."""

import contextlib

import httpx
import pytest

from tenants.services import Services
from tenants.source_kinds import Endpoints
from tests.integration.api_kit import PASSWORD, Browser, served

OPEN = {("/api/v1/session", "post")}
"""What needs no credentials."""


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
