"""No byte of one organisation's reaches another, by any route; its own people see all of it."""

import dataclasses
import re
from collections.abc import Iterator, Mapping

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from tenants import schema
from tenants.access import EVERY_TENANT
from tests.databases import KINDS
from tests.isolation.city_fixtures import Template, template_on
from tests.isolation.city_kit import ALDER, BIRCH, BIRCH_TEXTS, NAMES, City, Things
from tests.isolation.route_walk import Caller, Route, every_route, fill, owners, prepare

ROUTES = every_route()
SAY_NOTHING_OF_A_TENANT = frozenset(
    {
        "GET /api/v1/alerts/counts",
        "GET /api/v1/audit",
        "GET /api/v1/source-kinds",
        "GET /api/v1/tenants/{tenant}/rules",
        "GET /",
        "GET /sign-in",
        "GET /queue/news",
        "GET /help",
        "GET /static/{version}/{name}",
        "GET /healthz",
        "GET /metrics",
    }
)
"""Answers with numbers, ids or rules only; their owners get 200 all the same."""
OPEN_TO_ALL = frozenset(
    {
        "POST /api/v1/session",
        "GET /",
        "GET /sign-in",
        "POST /sign-in",
        "GET /static/{version}/{name}",
        "GET /healthz",
        "GET /metrics",
    }
)
NOT_ABOUT_THINGS = frozenset({"GET /static/{version}/{name}", "GET /metrics"})
GUESS = "guessed in vain"

CityAndThings = tuple[City, Mapping[str, Things]]


@pytest.fixture(scope="module", params=KINDS)
def city_template(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Template]:
    """The city on either database."""
    with template_on(request.param, tmp_path_factory.mktemp("city") / "template") as made:
        yield made


def by_name(routes: list[Route]) -> list[object]:
    return [pytest.param(route, id=str(route)) for route in routes]


@pytest.mark.parametrize("route", by_name(ROUTES))
def test_the_owner_gets_an_answer_with_its_data(route: Route, city: CityAndThings) -> None:
    made, things = city
    prepare(made, route, things[BIRCH])

    app = made.app()
    answer = first_answer(made, app, route, things[BIRCH])

    assert answer.is_success or answer.status_code == 303, (answer.status_code, answer.text)
    if route.method == "GET" and str(route) not in SAY_NOTHING_OF_A_TENANT:
        assert any(text in answer.text for text in BIRCH_TEXTS), answer.text


def test_every_field_of_a_tenant_is_shown_to_its_own_people(city: CityAndThings) -> None:
    made, things = city

    app = made.app()
    reads = [route for route in ROUTES if route.method == "GET"]
    closed = dataclasses.replace(things[BIRCH], alert=things[BIRCH].closed)
    shown = "".join(
        first_answer(made, app, route, about).text
        for about in (things[BIRCH], closed)
        for route in reads
    )

    assert [text for text in BIRCH_TEXTS if text not in shown] == []


@pytest.mark.parametrize("route", by_name(ROUTES))
def test_a_partner_gets_no_byte_of_another_tenant(route: Route, city: CityAndThings) -> None:
    made, things = city
    before = rows_of(made, BIRCH)
    foreign = dataclasses.replace(things[BIRCH], password=GUESS)
    asked = [
        foreign,
        dataclasses.replace(foreign, alert=foreign.closed),
        dataclasses.replace(foreign, tenant=ALDER),
        dataclasses.replace(things[ALDER], tenant=BIRCH, password=GUESS),
        things[ALDER],
    ]

    app = made.app()
    answers = [(about, call_as(made, app, "asha", route, about)) for about in asked]

    for about, answer in answers:
        assert leaks(answer, about) == []
    assert rows_of(made, BIRCH) == before


@pytest.mark.parametrize(
    "route", by_name([route for route in ROUTES if str(route) not in NOT_ABOUT_THINGS])
)
def test_what_is_not_ones_own_looks_like_what_does_not_exist(
    route: Route, city: CityAndThings
) -> None:
    made, things = city
    foreign = dataclasses.replace(things[BIRCH], password=GUESS)
    missing = Things(*(nearly(value) for value in dataclasses.astuple(foreign)))

    app = made.app()
    answers = [
        plain(call_as(made, app, "asha", route, about), about) for about in (foreign, missing)
    ]

    assert answers[0] == answers[1]


@pytest.mark.parametrize("route", by_name(ROUTES))
def test_nobody_in_particular_gets_nothing(route: Route, city: CityAndThings) -> None:
    made, things = city

    app = made.app()
    foreign = dataclasses.replace(things[BIRCH], password=GUESS)
    answer = call_as(made, app, None, route, foreign)

    assert leaks(answer, foreign) == []
    if str(route) in OPEN_TO_ALL:
        assert "citysoc_session=" not in answer.headers.get("set-cookie", "")
    elif route.is_page:
        assert answer.headers.get("location", "").startswith("/sign-in")
    else:
        assert answer.status_code == 401, answer.text


def test_metrics_and_health_name_no_tenant_after_all_that_work(city: CityAndThings) -> None:
    made, things = city

    app = made.app()
    for route in ROUTES:
        if route.method == "GET":
            first_answer(made, app, route, things[BIRCH])
    told = "".join(Caller(app, None).request("GET", path).text for path in ("/metrics", "/healthz"))

    assert [text for text in (*BIRCH_TEXTS, BIRCH, ALDER) if text in told] == []


def test_a_tenant_reads_who_of_the_soc_looked_at_its_alert(city: CityAndThings) -> None:
    made, things = city

    app = made.app()
    call_as(made, app, "maria", Route("GET", "/alerts/{alert}"), things[BIRCH])
    own_people = NAMES[BIRCH].user
    home = call_as(made, app, own_people, Route("GET", "/tenants/{tenant}"), things[BIRCH])
    other = call_as(made, app, "asha", Route("GET", "/tenants/{tenant}"), things[ALDER])

    assert f"/alerts/{things[BIRCH].alert}" in home.text
    assert "maria" in home.text
    assert things[BIRCH].alert not in other.text


def call_as(
    made: City, app: FastAPI, user: str | None, route: Route, about: Things
) -> httpx.Response:
    session = None if user is None else made.session(user)
    return Caller(app, session).call(route, about)


def first_answer(made: City, app: FastAPI, route: Route, about: Things) -> httpx.Response:
    """What the nearest person gets who may do it at all."""
    for user in owners(route, about):
        answer = call_as(made, app, user, route, about)
        if answer.status_code != 403:
            return answer
    raise AssertionError(f"nobody may call {route}: {answer.text}")


def leaks(answer: httpx.Response, about: Things) -> list[str]:
    """Canaries in body or headers that the caller did not write into the question themselves."""
    told = answer.text + repr(answer.headers.raw)
    own_words = set(dataclasses.astuple(about))
    return [text for text in BIRCH_TEXTS if text in told and text not in own_words]


def nearly(value: str) -> str:
    """An id that looks the same and names nothing."""
    return value[:-1] + ("1" if value[-1] != "1" else "2")


def plain(answer: httpx.Response, about: Things) -> tuple[int, str, list[tuple[str, str]]]:
    """Everything of an answer but the asked ids, the moment, and the session's own secrets."""
    passing = {"date", "set-cookie"}
    headers = sorted(pair for pair in answer.headers.items() if pair[0] not in passing)
    text = answer.text
    values = sorted(dataclasses.astuple(about), key=len, reverse=True)
    for value in values:
        text = text.replace(value, "ASKED")
        headers = [(name, said.replace(value, "ASKED")) for name, said in headers]
    return answer.status_code, _without_secrets(text), headers


def _without_secrets(text: str) -> str:
    hidden = re.sub(r'(name="csrf" value=|"csrf":)"[0-9a-f]{64}"', r"\1", text)
    return re.sub(r'"(id|token|password|created)":"[^"]*"', r'"\1"', hidden)


def rows_of(made: City, tenant: str) -> dict[str, list[tuple[object, ...]]]:
    """Everything that the database holds of a tenant."""
    with made.database.read(EVERY_TENANT) as connection:
        return {
            table.name: [
                tuple(row)
                for row in connection.execute(select(table).where(table.c.tenant_id == tenant))
            ]
            for table in schema.metadata.sorted_tables
            if "tenant_id" in table.c
        }


def test_paths_can_be_filled_for_every_route(city: CityAndThings) -> None:
    things = city[1]

    paths = [fill(route, things[BIRCH]) for route in ROUTES]

    assert not any("{" in path for path in paths)
