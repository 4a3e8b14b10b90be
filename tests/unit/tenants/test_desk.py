"""What people can do with the queue, and what they can't."""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from detection.alert import Alert
from tenants.access import Conflict, Denied, Invalid, NotFound, Principal, Role
from tenants.audit import Audit
from tenants.database import Database
from tenants.triage.desk import Desk
from tenants.triage.intake import take
from tenants.triage.queue import ItemState, QueueFilter
from tenants.triage.verdicts import Verdict

Make = Callable[..., Alert]


@pytest.fixture
def item_id(database: Database, make_alert: Make) -> str:
    """One open item of the school."""
    alert = make_alert(count=3)
    take(database, [alert])
    return alert.id


def test_an_alert_stands_in_the_queue_with_its_events(
    database: Database, kim: Principal, item_id: str
) -> None:
    desk = Desk(database, kim)

    detail = desk.get(item_id)

    assert detail.item.state is ItemState.OPEN
    assert detail.item.count == 3
    assert [evidence.body for evidence in detail.evidence] == [{"EventID": n} for n in range(3)]
    assert detail.related == {"host": ["ws-014"], "user": ["amy"]}
    assert [change.what for change in detail.history] == ["opened"]


def test_the_second_to_claim_hears_who_was_faster_and_when(
    database: Database, kim: Principal, sam: Principal, item_id: str, clock: Any
) -> None:
    Desk(database, kim, clock=clock).claim(item_id)

    with pytest.raises(Conflict) as caught:
        Desk(database, sam, clock=clock).claim(item_id)

    assert (caught.value.who, caught.value.when) == ("kim", "2026-11-24T12:00:00.000000Z")
    assert Desk(database, sam).get(item_id).item.owner == "kim"


def test_claiming_ones_own_again_changes_nothing(
    database: Database, kim: Principal, item_id: str
) -> None:
    desk = Desk(database, kim)
    first = desk.claim(item_id)

    again = desk.claim(item_id)

    assert again == first
    assert [change.what for change in desk.history(item_id)] == ["opened", "claimed"]


def test_only_the_owner_or_an_administrator_releases(
    database: Database, kim: Principal, sam: Principal, root: Principal, item_id: str
) -> None:
    Desk(database, kim).claim(item_id)

    with pytest.raises(Conflict):
        Desk(database, sam).release(item_id)
    released = Desk(database, root).release(item_id)

    assert (released.state, released.owner) == (ItemState.OPEN, None)


def test_an_item_that_nobody_has_can_not_be_released(
    database: Database, kim: Principal, item_id: str
) -> None:
    with pytest.raises(Conflict, match="nobody has"):
        Desk(database, kim).release(item_id)


def test_a_verdict_needs_a_reason_and_closes(
    database: Database, kim: Principal, item_id: str
) -> None:
    desk = Desk(database, kim)

    with pytest.raises(Invalid):
        desk.verdict(item_id, Verdict.FALSE_POSITIVE, "  \n ")
    closed = desk.verdict(item_id, Verdict.FALSE_POSITIVE, "Backup job.")

    assert (closed.state, closed.verdict, closed.reason) == (
        ItemState.CLOSED,
        "false_positive",
        "Backup job.",
    )
    assert not desk.list().items


def test_a_verdict_on_another_persons_item_is_a_conflict(
    database: Database, kim: Principal, sam: Principal, item_id: str
) -> None:
    Desk(database, kim).claim(item_id)

    with pytest.raises(Conflict, match="kim claimed it"):
        Desk(database, sam).verdict(item_id, Verdict.TRUE_POSITIVE, "Seen.")


def test_a_closed_item_can_not_be_claimed_or_judged_again(
    database: Database, kim: Principal, sam: Principal, item_id: str
) -> None:
    Desk(database, kim).verdict(item_id, Verdict.TRUE_POSITIVE, "Seen.")

    with pytest.raises(Conflict, match="kim closed it"):
        Desk(database, sam).claim(item_id)
    with pytest.raises(Conflict, match="kim closed it"):
        Desk(database, sam).verdict(item_id, Verdict.FALSE_POSITIVE, "No.")


def test_a_reopened_item_is_free_and_keeps_its_verdict_in_the_history(
    database: Database, kim: Principal, item_id: str
) -> None:
    desk = Desk(database, kim)
    desk.verdict(item_id, Verdict.TRUE_POSITIVE, "Seen.")

    item = desk.reopen(item_id)

    assert (item.state, item.owner, item.verdict) == (ItemState.OPEN, None, "")
    changes = [(change.what, change.before, change.after) for change in desk.history(item_id)]
    assert changes[1:] == [("closed", "open", "true_positive"), ("reopened", "true_positive", "")]
    with pytest.raises(Conflict):
        desk.reopen(item_id)


def test_partners_read_and_note_but_do_not_work_the_item(
    database: Database, kim: Principal, pat: Principal, item_id: str
) -> None:
    desk = Desk(database, pat)

    note = desk.note(item_id, "Our print server.")

    assert [one.text for one in Desk(database, kim).notes(item_id)] == ["Our print server."]
    assert note.author == "pat"
    for act in (desk.claim, desk.release, desk.reopen):
        with pytest.raises(Denied):
            act(item_id)
    with pytest.raises(Denied):
        desk.verdict(item_id, Verdict.FALSE_POSITIVE, "Ours.")


def test_anothers_item_looks_as_if_it_did_not_exist(
    database: Database, pat: Principal, make_alert: Make
) -> None:
    alert = make_alert(tenant="council")
    take(database, [alert])
    desk = Desk(database, pat)
    absent = "0" * 32

    for ask in (desk.get, desk.notes, desk.history, lambda which: desk.note(which, "hello")):
        with pytest.raises(NotFound) as theirs:
            ask(alert.id)
        with pytest.raises(NotFound) as nothing:
            ask(absent)
        assert str(theirs.value).replace(alert.id, absent) == str(nothing.value)
    assert not desk.list(QueueFilter(tenants=frozenset({"council"}))).items
    assert desk.counts().by_tenant == {}


def test_a_partner_without_tenants_sees_nothing(database: Database, item_id: str) -> None:
    nobody = Principal(user="zoe", name="Zoe", role=Role.PARTNER, tenants=frozenset())

    assert not Desk(database, nobody).list().items


def test_a_look_by_soc_staff_is_in_the_tenants_audit_once_an_hour(
    database: Database, kim: Principal, pat: Principal, item_id: str, clock: Any
) -> None:
    desk = Desk(database, kim, clock=clock)
    desk.get(item_id)
    desk.get(item_id)
    clock.move(hours=2)
    desk.get(item_id)
    Desk(database, pat, clock=clock).get(item_id)

    entries = Audit(database, pat).of_tenant("school").entries

    views = [(entry.who, entry.time) for entry in entries if entry.what == "alert viewed"]
    assert views == [
        ("kim", "2026-11-24T14:00:00.000000Z"),
        ("kim", "2026-11-24T12:00:00.000000Z"),
    ]


def test_notes_keep_what_no_database_would(
    database: Database, kim: Principal, item_id: str
) -> None:
    desk = Desk(database, kim)

    desk.note(item_id, "a\x00b \ud800 <b>")

    assert desk.notes(item_id)[0].text == "a\ufffdb ? <b>"


def test_a_note_of_10001_characters_is_refused(
    database: Database, kim: Principal, item_id: str
) -> None:
    with pytest.raises(Invalid, match="10001 characters"):
        Desk(database, kim).note(item_id, "x" * 10_001)


def test_of_two_who_claim_at_once_one_has_it(
    database: Database, kim: Principal, sam: Principal, make_alert: Make
) -> None:
    alerts = [make_alert(host=f"h{number}") for number in range(40)]
    take(database, alerts)
    start = Barrier(2)

    def claim_all(person: Principal) -> set[str]:
        desk, won = Desk(database, person), set()
        start.wait()
        for alert in alerts:
            with contextlib.suppress(Conflict):
                won.add(desk.claim(alert.id).id)
        return won

    with ThreadPoolExecutor(2) as pool:
        kims, sams = pool.map(claim_all, (kim, sam))

    assert kims | sams == {alert.id for alert in alerts}
    assert not kims & sams
    assert {item.id for item in Desk(database, kim).list(QueueFilter(mine=True)).items} == kims
