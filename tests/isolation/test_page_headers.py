"""What every page says to the browser, so that no other site's code runs in it or reads it."""

import re
from collections.abc import Mapping

import httpx
import pytest

from tenants.signin import csrf_token
from tests.isolation.city_kit import ALDER, City, Things
from tests.isolation.route_walk import KNOCK, Caller, Route, every_route, prepare

CityAndThings = tuple[City, Mapping[str, Things]]
PAGES = [route for route in every_route() if route.is_page]


@pytest.mark.parametrize("route", [pytest.param(route, id=str(route)) for route in PAGES])
def test_every_page_forbids_code_that_is_not_its_own(route: Route, city: CityAndThings) -> None:
    made, things = city
    prepare(made, route, things[ALDER])

    answer = Caller(made.app(), made.session("maria")).call(route, things[ALDER])

    assert_safe(answer)


@pytest.mark.parametrize(
    "path", ["/nowhere", "/alerts/none", "/queue?cursor=broken", "/static/0/x"]
)
def test_fault_pages_are_as_safe_and_say_what_to_do(path: str, city: CityAndThings) -> None:
    made, _ = city

    answer = Caller(made.app(), made.session("maria")).request("GET", path)

    assert answer.status_code in (404, 422)
    assert "What to do:" in answer.text
    assert_safe(answer)


def test_a_fault_of_ours_is_a_page_without_its_cause(
    city: CityAndThings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = city
    monkeypatch.setattr(made.services, "onboarding", lambda _: 1 / 0)

    answer = Caller(made.app(), made.session("maria")).request("GET", "/tenants")

    assert answer.status_code == 500
    assert "What to do:" in answer.text
    assert "division" not in answer.text
    assert_safe(answer)


def test_too_large_a_form_is_not_read(city: CityAndThings) -> None:
    made, things = city
    session = made.session("asha")
    path = f"/alerts/{things[ALDER].alert}/note"

    answer = Caller(made.app(), session).request(
        "POST", path, data={"csrf": session.csrf, "text": "x" * 70_000}
    )

    assert answer.status_code == 413
    assert "What to do:" in answer.text


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(city: CityAndThings) -> None:
    made, things = city
    form = {"user": "asha", "password": things[ALDER].password, "csrf": csrf_token(KNOCK)}

    answer = Caller(made.app(), None).request("POST", "/sign-in", data=form)

    cookie = next(one for one in answer.headers.get_list("set-cookie") if "citysoc_session=" in one)
    assert {"httponly", "samesite=lax"} <= set(cookie.lower().split("; "))


def test_a_sign_in_that_fails_says_neither_which_part_was_wrong(city: CityAndThings) -> None:
    made, _ = city
    app = made.app()

    answers = [
        Caller(app, None).request(
            "POST", "/sign-in", data={"user": user, "password": "x", "csrf": csrf_token(KNOCK)}
        )
        for user in ("asha", "atha")
    ]

    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].text.replace("asha", "") == answers[1].text.replace("atha", "")


def assert_safe(answer: httpx.Response) -> None:
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", answer.text)
