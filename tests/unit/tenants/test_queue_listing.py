"""In which order the queue stands, what filters let through, and that pages lose nothing."""

from collections.abc import Callable

import pytest

from detection.alert import Alert
from detection.signal import Entity
from tenants.access import Invalid, Principal
from tenants.database import Database
from tenants.triage.desk import Desk
from tenants.triage.intake import take
from tenants.triage.priority import priority
from tenants.triage.queue import ItemState, QueueFilter
from tenants.triage.verdicts import Verdict

Make = Callable[..., Alert]


def titles(desk: Desk, asked: QueueFilter | None = None) -> list[str]:
    return [item.rule for item in desk.list(asked).items]


def test_the_highest_priority_comes_first_then_the_newest(
    database: Database, kim: Principal, make_alert: Make
) -> None:
    take(
        database,
        [
            make_alert("older", "a", hour=8),
            make_alert("newer", "b", hour=9),
            make_alert("worst", "c", hour=7, level="critical"),
            make_alert("least", "d", hour=10, level="low"),
        ],
    )

    assert titles(Desk(database, kim)) == ["worst", "newer", "older", "least"]


def test_the_assets_criticality_counts(
    database: Database, kim: Principal, make_alert: Make
) -> None:
    take(
        database,
        [
            make_alert("plain", "a", hour=9),
            make_alert("crown", "b", hour=8, criticality="critical"),
            make_alert("kiosk", "c", hour=9, criticality="low"),
        ],
    )

    items = Desk(database, kim).list().items

    assert [(item.rule, item.priority) for item in items] == [
        ("crown", 65),
        ("plain", 55),
        ("kiosk", 50),
    ]


def test_steps_of_one_attack_rise_together_and_sink_when_it_is_worked_off(
    database: Database, kim: Principal, make_alert: Make
) -> None:
    steps = [make_alert(rule, "victim") for rule in ("one", "two", "three")]
    take(database, [*steps, make_alert("one", "other"), make_alert("one", "victim", hour=11)])
    desk = Desk(database, kim)
    before = {(item.rule, item.entity.name): item.priority for item in desk.list().items}

    desk.verdict(steps[0].id, Verdict.TRUE_POSITIVE, "Cleaned.")
    after = {(item.rule, item.entity.name): item.priority for item in desk.list().items}

    assert before == {
        ("one", "victim"): 65,
        ("two", "victim"): 65,
        ("three", "victim"): 65,
        ("one", "other"): 55,
    }
    assert after == {("two", "victim"): 60, ("three", "victim"): 60, ("one", "other"): 55}


def test_the_same_host_name_in_two_tenants_makes_no_chain(
    database: Database, kim: Principal, make_alert: Make
) -> None:
    take(database, [make_alert("one", "dc", tenant=tenant) for tenant in ("school", "council")])
    take(database, [make_alert("two", "dc", tenant="council")])

    found = {(item.tenant, item.priority) for item in Desk(database, kim).list().items}

    assert found == {("school", 55), ("council", 60)}


@pytest.mark.parametrize("level", ["critical", "high", "medium", "low", "informational", "odd"])
@pytest.mark.parametrize("criticality", ["critical", "low", "", "odd"])
def test_priority_stays_within_0_and_100(level: str, criticality: str) -> None:
    assert all(0 <= priority(level, criticality, rules) <= 100 for rules in (0, 1, 4, 1000))


def test_filters_narrow_the_queue(database: Database, kim: Principal, make_alert: Make) -> None:
    shut = make_alert("shut", "a")
    take(
        database,
        [
            shut,
            make_alert("low", "b", level="low"),
            make_alert("city", "c", tenant="council"),
            make_alert("mine", "d"),
        ],
    )
    desk = Desk(database, kim)
    desk.verdict(shut.id, Verdict.FALSE_POSITIVE, "Known.")
    desk.claim(make_alert("mine", "d").id)

    closed = QueueFilter(states=frozenset({ItemState.CLOSED}))
    assert titles(desk, closed) == ["shut"]
    assert titles(desk, QueueFilter(levels=frozenset({"low"}))) == ["low"]
    assert titles(desk, QueueFilter(tenants=frozenset({"council"}))) == ["city"]
    assert titles(desk, QueueFilter(mine=True)) == ["mine"]
    assert titles(desk, QueueFilter(rule="low")) == ["low"]
    assert titles(desk, QueueFilter(entity=Entity("host", "c"))) == ["city"]
    assert set(titles(desk, QueueFilter(states=frozenset()))) == {"shut", "low", "city", "mine"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("TITLE straße", ["straße"]),
        ("amy ws-9", ["straße"]),
        ("dc-1", ["under_score", "straße"]),
        ("unde_", []),
        ("under_score", ["under_score"]),
        ("%", []),
        ("\\", []),
        ("nothing", []),
    ],
)
def test_text_finds_words_in_any_case_and_no_wildcards(
    database: Database, kim: Principal, make_alert: Make, text: str, found: list[str]
) -> None:
    take(database, [make_alert("straße", "WS-9", hour=9), make_alert("under_score", "x", hour=10)])

    assert titles(Desk(database, kim), QueueFilter(text=text)) == found


def test_pages_hold_every_item_once_while_new_ones_come(
    database: Database, kim: Principal, make_alert: Make
) -> None:
    levels = ("critical", "high", "low")
    first = [
        make_alert("r", f"h{number}", hour=number % 5, level=levels[number % 3])
        for number in range(53)
    ]
    take(database, first)
    desk = Desk(database, kim)

    seen: list[str] = []
    cursor = None
    while True:
        page = desk.list(cursor=cursor, limit=10)
        seen += [item.id for item in page.items]
        take(database, [make_alert("late", f"n{len(seen)}", level="critical", hour=23)])
        if page.cursor is None:
            break
        cursor = page.cursor

    assert len(seen) == len(set(seen))
    assert {alert.id for alert in first} <= set(seen)


@pytest.mark.parametrize("cursor", ["", "zzz", "W10=", "bnVsbA==", "é", "WzEsMl0="])
def test_a_cursor_that_no_page_gave_is_refused(
    database: Database, kim: Principal, cursor: str
) -> None:
    with pytest.raises(Invalid, match="cursor"):
        Desk(database, kim).list(cursor=cursor)


def test_counts_are_those_of_the_queue(
    database: Database, kim: Principal, pat: Principal, make_alert: Make
) -> None:
    take(
        database,
        [make_alert("a"), make_alert("b", level="low"), make_alert("c", tenant="council")],
    )
    Desk(database, kim).claim(make_alert("a").id)

    staff, partner = Desk(database, kim).counts(), Desk(database, pat).counts()

    assert (staff.open, staff.claimed, staff.mine) == (2, 1, 1)
    assert staff.by_level == {"high": 2, "low": 1}
    assert staff.by_tenant == {"school": 2, "council": 1}
    assert (partner.open, partner.claimed, partner.mine) == (1, 1, 0)
    assert partner.by_tenant == {"school": 2}
