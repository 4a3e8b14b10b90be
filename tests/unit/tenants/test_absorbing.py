"""What an alert becomes: new work, a count on present work, or work come back."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from detection.alert import Alert, alert_id
from tenants.access import Principal
from tenants.database import Database
from tenants.triage.desk import Desk
from tenants.triage.intake import take
from tenants.triage.queue import Item, ItemState, QueueFilter
from tenants.triage.verdicts import AFTER, Verdict

Make = Callable[..., Alert]
EVERYTHING = QueueFilter(states=frozenset())


def everything(database: Database, person: Principal) -> list[Item]:
    return sorted(Desk(database, person).list(EVERYTHING).items, key=lambda item: item.opened)


def test_adjacent_hours_of_a_rule_and_entity_are_one_item(
    database: Database, kim: Principal, make_alert: Make
) -> None:
    assert take(database, [make_alert(hour=10, count=3)]) == 1

    opened = take(database, [make_alert(hour=11, count=4), make_alert(hour=9, count=1)])

    assert opened == 0
    (item,) = everything(database, kim)
    assert item.count == 8
    assert item.first == "2026-11-24T09:00:00.000000Z"
    assert item.last == "2026-11-24T11:00:00.000000Z"
    assert item.opened == "2026-11-24T10:00:01.000000Z"
    assert [part.hour[-2:] for part in Desk(database, kim).get(item.id).alerts] == [
        "11",
        "10",
        "09",
    ]


@pytest.mark.parametrize("other", [{"rule": "else"}, {"host": "ws-2"}, {"tenant": "council"}])
def test_another_rule_entity_or_tenant_is_another_item(
    database: Database, kim: Principal, make_alert: Make, other: dict[str, str]
) -> None:
    take(database, [make_alert(), make_alert(**other)])

    assert [item.count for item in everything(database, kim)] == [1, 1]


def test_amendments_replace_and_late_revisions_do_nothing(
    database: Database, kim: Principal, make_alert: Make
) -> None:
    take(database, [make_alert(count=2, revision=5)])

    take(database, [make_alert(count=30, revision=9, minute=5), make_alert(count=7, revision=8)])
    take(database, [make_alert(count=2, revision=5), make_alert(count=30, revision=9, minute=5)])

    (item,) = everything(database, kim)
    detail = Desk(database, kim).get(item.id)
    assert item.count == 30
    assert [evidence.body for evidence in detail.evidence] == [{"EventID": n} for n in range(20)]


def test_work_in_hand_absorbs_repeats_without_changing_hands(
    database: Database, kim: Principal, make_alert: Make
) -> None:
    take(database, [make_alert(hour=10)])
    Desk(database, kim).claim(make_alert(hour=10).id)

    take(database, [make_alert(hour=11)])

    (item,) = everything(database, kim)
    assert (item.state, item.owner, item.count) == (ItemState.CLAIMED, "kim", 2)


CLOSED, REOPENED, NEW = ["closed"], ["open"], ["closed", "open"]


@pytest.mark.parametrize(
    ("verdict", "hours", "expected"),
    [
        (Verdict.TRUE_POSITIVE, -1, CLOSED),
        (Verdict.TRUE_POSITIVE, 1, REOPENED),
        (Verdict.BENIGN_TRUE_POSITIVE, 5, CLOSED),
        (Verdict.BENIGN_TRUE_POSITIVE, 25, NEW),
        (Verdict.FALSE_POSITIVE, 7 * 24 - 1, CLOSED),
        (Verdict.FALSE_POSITIVE, 7 * 24 + 1, NEW),
        (Verdict.UNDETERMINED, -1, CLOSED),
        (Verdict.UNDETERMINED, 1, NEW),
    ],
)
def test_each_verdict_fixes_what_the_next_repeat_does(
    database: Database,
    kim: Principal,
    make_alert: Make,
    clock: Any,
    verdict: Verdict,
    hours: int,
    expected: list[str],
) -> None:
    first = make_alert(hour=10)
    take(database, [first])
    Desk(database, kim, clock=clock).verdict(first.id, verdict, "So it is.")
    clock.move(hours=hours)
    time = clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    take(database, [_at(make_alert(hour=10), time)], clock)

    items = everything(database, kim)
    assert [item.state for item in items] == expected
    assert sum(item.count for item in items) == 2


def test_every_verdict_is_in_the_table() -> None:
    assert set(AFTER) == set(Verdict)


def test_critical_repeats_are_never_kept_back(
    database: Database, kim: Principal, make_alert: Make, clock: Any
) -> None:
    first = make_alert(level="critical")
    take(database, [first])
    Desk(database, kim, clock=clock).verdict(first.id, Verdict.FALSE_POSITIVE, "Test.")

    take(database, [make_alert(level="critical", hour=13)])

    assert [item.state for item in everything(database, kim)] == NEW


def test_a_reopened_item_is_nobodys_and_its_history_says_why(
    database: Database, kim: Principal, make_alert: Make, clock: Any
) -> None:
    first = make_alert()
    take(database, [first])
    desk = Desk(database, kim, clock=clock)
    desk.verdict(first.id, Verdict.TRUE_POSITIVE, "Cleaned.")

    take(database, [make_alert(hour=13)], clock)

    (item,) = everything(database, kim)
    assert (item.state, item.owner, item.verdict, item.count) == (ItemState.OPEN, None, "", 2)
    assert item.priority == 55
    last = desk.history(first.id)[-1]
    assert (last.who, last.what, last.before) == ("citysoc", "came back", "true_positive")


def test_an_amended_alert_stays_with_its_item_even_when_that_is_closed(
    database: Database, kim: Principal, make_alert: Make, clock: Any
) -> None:
    first = make_alert(hour=12, minute=1)
    take(database, [first])
    desk = Desk(database, kim, clock=clock)
    clock.move(minutes=5)
    desk.verdict(first.id, Verdict.UNDETERMINED, "Can't tell.")

    take(database, [make_alert(hour=12, minute=3, count=2, revision=2)], clock)
    counted = everything(database, kim)
    take(database, [make_alert(hour=12, minute=9, count=3, revision=3)], clock)
    reopened = everything(database, kim)

    assert [(item.state, item.count) for item in counted] == [("closed", 2)]
    assert [(item.state, item.count) for item in reopened] == [("open", 3)]


def test_a_closed_item_is_not_reopened_beside_open_work_on_the_same(
    database: Database, kim: Principal, make_alert: Make, clock: Any
) -> None:
    first = make_alert(hour=12, minute=1)
    take(database, [first])
    Desk(database, kim, clock=clock).verdict(first.id, Verdict.UNDETERMINED, "Can't tell.")
    take(database, [make_alert(hour=13)], clock)

    take(database, [make_alert(hour=12, minute=50, count=4, revision=2)], clock)

    assert [(i.state, i.count) for i in everything(database, kim)] == [("closed", 4), ("open", 1)]


def test_alerts_of_no_tenant_are_left_out_and_the_others_taken(
    database: Database, kim: Principal, make_alert: Make
) -> None:
    take(database, [make_alert(tenant="ghost"), make_alert()])

    assert [item.tenant for item in everything(database, kim)] == ["school"]


def _at(alert: Alert, time: str) -> Alert:
    """The same subject at another time, as another alert."""
    return msgspec.structs.replace(
        alert,
        id=alert_id(alert.tenant, alert.rule, alert.entity, f"{time} other"),
        hour=time[:13],
        first=time,
        last=time,
        received=time,
    )
