"""Nobody gets in with a made-up session, form or token, and nobody stays in too long."""

from collections.abc import Callable, Mapping
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select

from tenants import schema
from tenants.access import OPERATOR
from tenants.signin import csrf_token
from tests.isolation.city_kit import ALDER, BIRCH, City, Things
from tests.isolation.route_walk import KNOCK, Caller, Route, every_route, fill

CityAndThings = tuple[City, Mapping[str, Things]]
FORMS = [
    route
    for route in every_route()
    if route.is_page and route.method == "POST" and route.path != "/sign-in"
]


def with_cookie(city: City, secret: str) -> httpx.Response:
    """A page as whoever has this cookie."""
    return Caller(city.app(), None).request("GET", "/queue", cookies={"citysoc_session": secret})


def refused(answer: httpx.Response) -> bool:
    return answer.status_code == 303 and answer.headers["location"].startswith("/sign-in")


def test_a_real_session_opens_the_queue(city: CityAndThings) -> None:
    made, _ = city

    answer = with_cookie(made, made.session("asha").secret)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda secret: secret[:0], id="empty"),
        pytest.param(lambda secret: secret[:-1], id="cut"),
        pytest.param(lambda secret: secret + "A", id="longer"),
        pytest.param(lambda secret: secret.swapcase(), id="other case"),
        pytest.param(lambda secret: "A" * len(secret), id="made up"),
        pytest.param(csrf_token, id="the csrf token of the session"),
    ],
)
def test_a_forged_session_is_nobodys(forge: Callable[[str], str], city: CityAndThings) -> None:
    made, _ = city
    secret = made.session("asha").secret

    answer = with_cookie(made, forge(secret))

    assert refused(answer)


def test_what_the_database_keeps_of_a_session_opens_nothing(city: CityAndThings) -> None:
    made, _ = city
    made.session("asha")
    with made.database.read() as connection:
        kept = connection.scalars(select(schema.sessions.c.id_hash)).all()

    answers = [with_cookie(made, value) for value in kept]

    assert kept
    assert all(map(refused, answers))


def test_a_session_ends_when_its_user_signs_out(city: CityAndThings) -> None:
    made, things = city
    session = made.session("asha")
    caller = Caller(made.app(), session)

    caller.call(Route("POST", "/sign-out"), things[ALDER])

    assert refused(with_cookie(made, session.secret))


def test_a_session_ends_when_its_user_is_shut_out(city: CityAndThings) -> None:
    made, _ = city
    session = made.session("asha")

    made.services.people(OPERATOR).enable_user("asha", enabled=False)

    assert refused(with_cookie(made, session.secret))


def test_a_session_ends_after_half_a_day_without_use(city: CityAndThings) -> None:
    made, _ = city
    session = made.session("asha")

    made.now += timedelta(hours=11)
    still = with_cookie(made, session.secret)
    made.now += timedelta(hours=13)
    ended = with_cookie(made, session.secret)

    assert still.status_code == 200
    assert refused(ended)


@pytest.mark.parametrize("route", [pytest.param(route, id=str(route)) for route in FORMS])
@pytest.mark.parametrize("whose", ["none", "another session's", "a made-up one"])
def test_a_form_without_its_sessions_own_token_changes_nothing(
    route: Route, whose: str, city: CityAndThings
) -> None:
    made, things = city
    session, other = made.session("maria"), made.session("maria")
    tokens = {"none": {}, "another session's": {"csrf": other.csrf}, "a made-up one": {"csrf": "x"}}
    before = everything(made)

    answer = Caller(made.app(), session).request(
        "POST", fill(route, things[BIRCH]), data={"reason": "r", "text": "t", **tokens[whose]}
    )

    assert answer.status_code == 403
    assert "can't be accepted" in answer.text.replace("&#39;", "'")
    assert everything(made) == before


def test_a_sign_in_form_of_another_site_is_refused(city: CityAndThings) -> None:
    made, things = city
    form = {"user": "asha", "password": things[ALDER].password, "csrf": csrf_token("theirs")}

    answer = Caller(made.app(), None).request("POST", "/sign-in", data=form)

    assert answer.status_code == 403
    assert "citysoc_session" not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize(
    "there",
    [
        "//evil.example",
        "https://evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "/a\r\nX: y",
    ],
)
def test_signing_in_never_leads_to_another_site(there: str, city: CityAndThings) -> None:
    made, things = city
    form = {
        "user": "asha",
        "password": things[ALDER].password,
        "csrf": csrf_token(KNOCK),
        "next": there,
    }

    answer = Caller(made.app(), None).request("POST", "/sign-in", data=form)

    assert answer.headers["location"] == "/queue"
    assert "x" not in answer.headers


def test_an_api_change_by_cookie_needs_the_csrf_header(city: CityAndThings) -> None:
    made, things = city
    session = made.session("maria")
    path = f"/api/v1/alerts/{things[ALDER].alert}/claim"

    answer = Caller(made.app(), None).request(
        "POST", path, cookies={"citysoc_session": session.secret}
    )

    assert answer.status_code == 403
    assert made.services.desk(OPERATOR).get(things[ALDER].alert).item.owner is None


def test_only_a_whole_api_token_that_still_stands_is_taken(city: CityAndThings) -> None:
    made, _ = city
    owner = made.principal("asha")
    kept = made.services.signin.create_token(owner, "kept")
    gone = made.services.signin.create_token(owner, "gone")
    made.services.signin.delete_token(owner, gone.id)
    app = made.app()

    def status(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return Caller(app, None).request("GET", "/api/v1/alerts", headers=headers).status_code

    assert status(kept.token) == 200
    assert {status(token) for token in (gone.token, kept.token[:-1], kept.id, "", "x" * 5000)} == {
        401
    }


def test_a_sources_token_is_no_key_to_the_api(city: CityAndThings) -> None:
    made, _ = city
    created = made.services.onboarding(OPERATOR).add_source(ALDER, "windows", "laptops")

    answer = Caller(made.app(), None).request(
        "GET", "/api/v1/me", headers={"Authorization": f"Bearer {created.token}"}
    )

    assert answer.status_code == 401


@pytest.mark.parametrize("step", ["claim", "release", "verdict", "reopen"])
def test_a_partner_may_not_do_the_socs_work(step: str, city: CityAndThings) -> None:
    made, things = city
    before = made.services.desk(OPERATOR).get(things[ALDER].alert).item

    answer = Caller(made.app(), made.session("asha")).call(
        Route("POST", f"/alerts/{{alert}}/{step}"), things[ALDER]
    )

    assert answer.status_code == 403
    assert made.services.desk(OPERATOR).get(things[ALDER].alert).item == before


def everything(made: City) -> dict[str, list[tuple[object, ...]]]:
    """The whole database."""
    with made.database.read() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table))]
            for table in schema.metadata.sorted_tables
        }
