"""An organisation keeps its names to its own people: the SOC works, and learns none of them."""

import dataclasses
from collections.abc import Mapping

import msgspec
import pytest

from detection.signal import Entity
from tenants.access import Denied
from tenants.pseudonyms import Pseudonyms
from tenants.triage.queue import QueueFilter
from tests.isolation.city_kit import ADMIN, ALDER, BIRCH, NAMES, City, Things, alert
from tests.isolation.route_walk import Caller, every_route

CityAndThings = tuple[City, Mapping[str, Things]]
OURS = NAMES[BIRCH]
HIDDEN = (OURS.entity, OURS.account, OURS.asset, OURS.assetowner, OURS.context, OURS.field)
KEY = b"k" * 32
UNUSUAL = alert(BIRCH, 2)


@pytest.fixture
def kept_back(city: CityAndThings) -> CityAndThings:
    made, things = city
    made.take(UNUSUAL)
    made.services.pseudonyms = Pseudonyms(KEY, {BIRCH})
    return made, things


@pytest.mark.parametrize("person", ["maria", ADMIN])
def test_no_route_shows_the_soc_a_name(person: str, kept_back: CityAndThings) -> None:
    made, things = kept_back
    app, session = made.app(), made.session(person)
    abouts = [
        things[BIRCH],
        dataclasses.replace(things[BIRCH], alert=things[BIRCH].closed),
        dataclasses.replace(things[BIRCH], alert=UNUSUAL.id),
    ]

    shown = [
        (str(route), Caller(app, session).call(route, about).text)
        for about in abouts
        for route in every_route()
        if route.method == "GET" or "/alerts/{alert}/" in route.path
    ]

    assert [(route, each) for route, text in shown for each in HIDDEN if each in text] == []
    assert any(_pseudonym() in text for _, text in shown)


def test_guessing_a_name_finds_nothing(kept_back: CityAndThings) -> None:
    made, _ = kept_back
    desk = made.services.desk(made.principal("maria"))
    guesses = [
        QueueFilter(text=OURS.entity),
        QueueFilter(text=OURS.account),
        QueueFilter(entity=Entity("host", OURS.entity)),
    ]

    found = [item for guess in guesses for item in desk.list(guess).items]

    assert found == []
    assert [item.tenant for item in desk.list(QueueFilter(text=OURS.title)).items] == [BIRCH] * 2


def test_the_soc_asks_its_events_nothing(kept_back: CityAndThings) -> None:
    made, things = kept_back
    hunt = made.services.hunt(made.principal("maria"))

    for asked in (f"User:{OURS.account}", "EventID:10", ""):
        with pytest.raises(Denied):
            hunt.search(BIRCH, asked)
    with pytest.raises(Denied):
        hunt.get(BIRCH, [things[BIRCH].event])
    assert hunt.search(ALDER, "EventID:10").events


def test_its_own_people_see_names_beside_pseudonyms(kept_back: CityAndThings) -> None:
    made, things = kept_back
    own = Caller(made.app(), made.session(OURS.user))

    page = own.request("GET", f"/alerts/{things[BIRCH].alert}").text

    assert OURS.entity in page
    assert OURS.account in page
    assert _pseudonym() in page


def test_work_goes_on_under_a_pseudonym(kept_back: CityAndThings) -> None:
    made, things = kept_back
    desk = made.services.desk(made.principal("maria"))

    claimed = desk.claim(things[BIRCH].alert)

    assert claimed.entity == Entity("host", _pseudonym())
    assert made.services.desk(made.principal(OURS.user)).get(claimed.id).item.owner == "maria"


def test_a_name_has_one_pseudonym_that_says_nothing_without_the_key() -> None:
    ours, other = Pseudonyms(KEY, {BIRCH}), Pseudonyms(b"x" * 32, {BIRCH})
    texts = {
        ours.of(BIRCH, "host", "ws-1"),
        ours.of(BIRCH, "host", "ws-2"),
        ours.of(BIRCH, "user", "ws-1"),
        ours.of(ALDER, "host", "ws-1"),
        other.of(BIRCH, "host", "ws-1"),
    }

    assert len(texts) == 5
    assert ours.of(BIRCH, "host", "ws-1") in texts
    assert not any("ws-" in text for text in texts)


def test_others_names_are_shown_as_they_are(kept_back: CityAndThings) -> None:
    made, things = kept_back

    detail = made.services.desk(made.principal("maria")).get(things[ALDER].alert)

    assert detail.item.entity.name == NAMES[ALDER].entity
    assert msgspec.json.encode(detail.evidence).count(NAMES[ALDER].account.encode())


def _pseudonym() -> str:
    return Pseudonyms(KEY, {BIRCH}).of(BIRCH, "host", OURS.entity)
