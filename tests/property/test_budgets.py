"""Budgets are upper bounds whatever happens: of a tenant and day, and of the city and day."""

import random
from collections import defaultdict
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detection.alert import Alert
from detection.anomaly.budget import BELOW, Ledger, Standing, allowed
from detection.unusual import RULE, Aspect, Unusual
from tenants.access import EVERY_TENANT, OPERATOR
from tenants.database import Database
from tenants.onboarding import Onboarding
from tenants.source_kinds import Endpoints
from tenants.triage.city import Budgets
from tenants.triage.desk import Desk
from tenants.triage.intake import take
from tenants.triage.queue import ItemState, QueueFilter
from tests.alerts import alert
from tests.databases import KINDS, empty

DAY, HOUR = 86_400.0, 3_600.0
TENANTS = ("council", "school", "trust")

ASKED = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.integers(0, 3 * 24 * 4), st.floats(0.0, 9.0)),
    max_size=120,
)
BUDGETS = st.sampled_from([0.0, 0.3, 0.5, 1.0, 2.0, 2.5, 5.0])


@given(asked=ASKED, budget=BUDGETS)
def test_no_stream_opens_more_than_a_day_allows_or_speaks_more_often_again(
    asked: list[tuple[str, int, float]], budget: float
) -> None:
    ledger, said = Ledger(), defaultdict(set)
    for entity, quarter, score in sorted(asked, key=lambda each: each[1]):
        start = quarter * 900.0
        place = entity, start // HOUR
        standing = ledger.enter(entity, start, budget)
        said[standing, start // DAY].add(place)
        said[ledger.speak(entity, start, score, budget), start // DAY].add(place)

    for (standing, day), places in said.items():
        limit = allowed(budget, int(day))
        most = {Standing.OPENS: limit, Standing.SPEAKS: 2 * limit, Standing.BELOW: BELOW}
        assert len(places) <= most.get(standing, len(places))


@given(budget=st.floats(0.0, 50.0), first=st.integers(0, 30_000), days=st.integers(1, 60))
def test_days_of_a_broken_budget_come_to_the_whole_one(
    budget: float, first: int, days: int
) -> None:
    total = sum(allowed(budget, day) for day in range(first, first + days))

    assert abs(total - budget * days) < 1 + 1e-6 * days


@pytest.fixture(scope="module", params=KINDS)
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    with empty(request.param, tmp_path_factory.mktemp("city")) as place:
        found = Database.open(place.migrated().program)
        for tenant in TENANTS:
            Onboarding(found, OPERATOR, Endpoints()).add_tenant(tenant, tenant)
        yield found
        found.close()


def unusual(tenant: str, host: str, day: int, score: float) -> Alert:
    """An alert of the anomaly stage."""
    start = f"2026-11-{day:02}T10:00:00.000000Z"
    told = Unusual(
        profile="windows_security",
        model="m",
        start=start,
        end=start,
        field="Computer",
        score=score,
        p=0.001,
        aspects=(Aspect(view="novelty", sentence="It was new."),),
    )
    return alert(
        host, f"2026-11-{day:02}T10", tenant=tenant, rule=RULE + "novelty", unusual=told, count=1
    )


SENT = st.dictionaries(
    st.tuples(st.sampled_from(TENANTS), st.sampled_from("abcdef"), st.integers(23, 24)),
    st.integers(0, 40),
    min_size=1,
    max_size=20,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sent=SENT, city=st.integers(0, 6), own=st.integers(0, 4), seed=st.integers(0, 1 << 30))
def test_city_and_tenants_get_their_best_and_no_more_however_alerts_are_delivered(
    database: Database, sent: dict[tuple[str, str, int], int], city: int, own: int, seed: int
) -> None:
    chance = random.Random(seed)
    # a host of its own for each day: an alert of a host whose item is open joins that item
    alerts = [
        unusual(tenant, f"{host}{day}", day, score / 4)
        for (tenant, host, day), score in sent.items()
    ]
    delivered = alerts + chance.choices(alerts, k=len(alerts))
    chance.shuffle(delivered)

    _emptied(database)
    while delivered:
        batch = [delivered.pop() for _ in range(min(len(delivered), chance.randint(1, 5)))]
        take(database, batch, budgets=Budgets(city, lambda _tenant: own))

    shown = _ids(database, ItemState.OPEN)
    assert shown == {each for day in (23, 24) for each in _best(alerts, day, city, own)}
    assert shown | _ids(database, ItemState.BELOW) == {each.id for each in alerts}


def test_what_people_work_on_makes_no_way_and_nothing_is_lost(database: Database) -> None:
    _emptied(database)
    desk = Desk(database, OPERATOR)
    weak, strong, stronger = (unusual("council", name, 24, score) for name, score in _SCORES)
    take(database, [weak], budgets=Budgets(1, lambda _tenant: 2))
    with database.write(EVERY_TENANT) as connection:
        connection.exec_driver_sql("UPDATE items SET state = 'claimed'")

    take(database, [strong, stronger], budgets=Budgets(1, lambda _tenant: 2))

    assert _ids(database, ItemState.CLAIMED) == {weak.id}
    assert _ids(database, ItemState.BELOW) == {strong.id, stronger.id}
    assert desk.counts().open == 0


_SCORES = (("weak", 0.5), ("strong", 2.0), ("stronger", 3.0))


def test_what_made_way_comes_back_on_a_day_that_has_room(database: Database) -> None:
    _emptied(database)
    budgets = Budgets(10, lambda _tenant: 1)
    weak, strong = unusual("council", "a", 23, 1.0), unusual("council", "b", 23, 2.0)
    take(database, [weak], budgets=budgets)
    take(database, [strong], budgets=budgets)
    before = _ids(database, ItemState.OPEN)

    take(database, [unusual("council", "a", 24, 1.0)], budgets=budgets)

    assert before == {strong.id}
    assert _ids(database, ItemState.OPEN) == {strong.id, weak.id}
    said = [each.what for each in Desk(database, OPERATOR).get(weak.id).history]
    assert said == ["opened", "made way", "got a place"]


def test_what_becomes_more_unusual_asks_again_within_its_tenants_budget(
    database: Database,
) -> None:
    _emptied(database)
    budgets = Budgets(10, lambda _tenant: 1)
    weak, strong = unusual("council", "a", 24, 1.0), unusual("council", "b", 24, 2.0)
    take(database, [weak, strong], budgets=budgets)
    worse = unusual("council", "a", 24, 3.0)

    take(database, [msgspec.structs.replace(worse, revision=2)], budgets=budgets)

    assert _ids(database, ItemState.OPEN) == {weak.id}
    assert _ids(database, ItemState.BELOW) == {strong.id}


def test_an_alert_of_a_rule_needs_no_place(database: Database) -> None:
    _emptied(database)

    take(
        database,
        [alert("a", "2026-11-24T10", tenant="council")],
        budgets=Budgets(0, lambda _tenant: 0),
    )

    assert len(_ids(database, ItemState.OPEN)) == 1


def _best(alerts: list[Alert], day: int, city: int, own: int) -> set[str]:
    """The slow way: the best first, as long as both budgets have room."""
    best: list[Alert] = []
    for each in sorted(alerts, key=lambda one: (_score(one), one.id), reverse=True):
        theirs = sum(one.tenant == each.tenant for one in best)
        if each.first[8:10] == str(day) and len(best) < city and theirs < own:
            best.append(each)
    return {each.id for each in best}


def _score(each: Alert) -> float:
    assert each.unusual is not None
    return each.unusual.score


def _ids(database: Database, state: ItemState) -> set[str]:
    asked = QueueFilter(states=frozenset({state}))
    return {item.id for item in Desk(database, OPERATOR).list(asked, limit=200).items}


def _emptied(database: Database) -> None:
    with database.write(EVERY_TENANT) as connection:
        for table in ("history", "notes", "alert_events", "alerts", "items"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
