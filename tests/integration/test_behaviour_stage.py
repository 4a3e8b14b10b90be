"""The anomaly stage on the embedded bus: what it tells, and that nothing but the log matters."""

import contextlib
import random
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from collectors.bus.contract import Partition, Position, Record
from collectors.bus.embedded import EmbeddedBus
from detection.alert import Alert
from detection.anomaly import going_back
from detection.anomaly.artefacts import Artefacts
from detection.anomaly.checkpoint import CheckpointFiles
from detection.anomaly.in_force import InForce
from detection.anomaly.shelf import Shelf
from detection.anomaly.tenant import Kept
from detection.own_rules import check_exception
from detection.policy import Policy, State
from detection.unusual import RULE, VIEWS
from tests.behaviour import (
    KEY,
    START,
    Policies,
    behaviour,
    counting,
    days,
    odd,
    opened,
    publish,
    said,
    work,
)
from tests.buses import Clock

DAYS = 4
PLANTED = 96 * 3 + 40
HOURLY = 3600.0


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


@pytest.fixture
def bus(tmp_path: Path, clock: Clock) -> Iterator[EmbeddedBus]:
    with opened(tmp_path / "bus.db", clock, "council", "school") as found:
        yield found


def office(hosts: int = 4) -> list[tuple[datetime, list[bytes]]]:
    """Four days of an office with something odd on the fourth."""
    return list(days(DAYS, hosts=hosts, planted=[PLANTED]))


def kept(folder: Path, tenant: str = "council") -> Kept:
    """What the stage has on disk."""
    found = CheckpointFiles(folder / "state").load(tenant)
    assert found is not None
    return found


def watch(bus: EmbeddedBus, folder: Path, *, every: float = HOURLY) -> None:
    """The second half over the whole log, ended in order."""
    stage = behaviour(bus, folder, every=every)
    work(bus, stage, "behaviour.")
    stage.close()


def test_what_was_never_seen_is_told_with_its_reasons_and_the_ordinary_is_not(
    bus: EmbeddedBus, clock: Clock, tmp_path: Path
) -> None:
    publish(bus, clock, iter(office()), "council")
    work(bus, counting(bus), "events.")

    watch(bus, tmp_path)

    [alert] = said(bus).values()
    assert alert.entity.name == "ws-03.council.example"
    assert alert.hour == "2026-11-05T10"
    assert alert.rule.removeprefix(RULE) in VIEWS
    assert alert.unusual is not None
    assert "1102" in " ".join(each.sentence for each in alert.unusual.aspects)
    assert alert.unusual.model.startswith("20261105-")
    assert alert.unusual.history[-1].unusual
    assert not any(each.unusual for each in alert.unusual.history[:-1])


def test_a_flood_costs_no_more_than_the_day_s_budget_and_the_rest_is_kept_below(
    bus: EmbeddedBus, clock: Clock, tmp_path: Path
) -> None:
    quarters = list(days(DAYS, hosts=8))
    start = quarters[PLANTED][0]
    quarters[PLANTED][1].extend(line for host in range(8) for line in odd(start, f"ws-{host:02}"))
    publish(bus, clock, iter(quarters), "council")
    work(bus, counting(bus, budget=2.0), "events.")

    watch(bus, tmp_path)

    told = [each.unusual for each in said(bus).values()]
    scores = sorted((each.score, not each.below) for each in told if each is not None)
    assert len(told) == 8
    assert [above for _, above in scores] == [False] * 6 + [True] * 2


def test_a_stage_that_is_killed_and_one_that_begins_anew_know_and_say_the_same(
    bus: EmbeddedBus, clock: Clock, tmp_path: Path
) -> None:
    quarters = office(hosts=8)
    for number in range(PLANTED, PLANTED + 3):
        start, lines = quarters[number]
        lines.extend(line for host in range(5) for line in odd(start, f"ws-{host:02}"))
    publish(bus, clock, iter(quarters), "council")
    work(bus, counting(bus), "events.")
    watch(bus, tmp_path / "whole")
    whole = said(bus)

    assert {each.unusual.below for each in whole.values() if each.unusual} == {False, True}
    for records in (130, 290, PLANTED + 2, 350):
        work(bus, behaviour(bus, tmp_path / "killed", every=HOURLY), "behaviour.", records=records)
    watch(bus, tmp_path / "killed")

    assert kept(tmp_path / "killed") == kept(tmp_path / "whole")
    assert said(bus) == whole


def test_late_shuffled_and_repeated_events_change_nothing(
    bus: EmbeddedBus, clock: Clock, tmp_path: Path
) -> None:
    quarters = office()
    chance = random.Random(7)
    mixed = []
    for number, (start, lines) in enumerate(quarters):
        before = quarters[number - 1][1] if number else []
        again = [*lines, *chance.sample(lines, len(lines) // 2), *before[:2]]
        chance.shuffle(again)
        mixed.append((start, again))
    publish(bus, clock, iter(quarters), "council")
    for start, lines in mixed:
        school = [line.replace(b'"council"', b'"school"') for line in lines]
        publish(bus, clock, iter([(start, school)]), "school")
    work(bus, counting(bus), "events.")

    watch(bus, tmp_path)

    assert _alike(said(bus, "school")) == _alike(said(bus, "council"))
    assert _alike(said(bus, "council"))


def test_records_that_are_counted_twice_count_once(
    bus: EmbeddedBus, clock: Clock, tmp_path: Path
) -> None:
    publish(bus, clock, iter(office()), "council")
    work(bus, counting(bus), "events.", batch=40, records=200)
    work(bus, counting(bus), "events.")
    watch(bus, tmp_path / "twice")

    with opened(tmp_path / "once.db", clock, "council") as once:
        publish(once, clock, iter(office()), "council")
        work(once, counting(once), "events.")
        watch(once, tmp_path / "once")

    twice, alone = kept(tmp_path / "twice"), kept(tmp_path / "once")
    assert {name: each.watch for name, each in twice.profiles.items()} == {
        name: each.watch for name, each in alone.profiles.items()
    }


def test_a_torn_checkpoint_is_left_aside_and_the_log_tells_it_all_again(
    bus: EmbeddedBus, clock: Clock, tmp_path: Path
) -> None:
    publish(bus, clock, days(1, hosts=2), "council")
    work(bus, counting(bus), "events.")
    watch(bus, tmp_path)
    whole = kept(tmp_path)
    path = tmp_path / "state" / "council.checkpoint"
    path.write_bytes(path.read_bytes()[:-50])

    watch(bus, tmp_path)

    assert kept(tmp_path) == whole


def test_views_that_a_tenant_turned_off_raise_no_alerts(
    bus: EmbeddedBus, clock: Clock, tmp_path: Path
) -> None:
    policy = Policy(tenant="council", version=1, states={RULE + view: State.OFF for view in VIEWS})
    _announce(bus, policy)
    publish(bus, clock, iter(office()), "council")
    work(bus, counting(bus, policy), "events.")

    watch(bus, tmp_path)

    assert said(bus) == {}


EXCEPTION = """title: A lab where anything goes
logsource: {{product: windows}}
filter:
    rules: {rules}
    lab: {{Computer: 'ws-03.*'}}
    condition: not lab
"""


@pytest.mark.parametrize(
    ("rules", "alerts"), [("any", 0), ("[unusual-novelty]", 0), ("[net-view-used]", 1)]
)
def test_an_exception_is_for_unusual_behaviour_too_where_it_names_it_or_any_rule(
    bus: EmbeddedBus, clock: Clock, tmp_path: Path, rules: str, alerts: int
) -> None:
    policy = Policy(tenant="council", version=1, filters={"lab": EXCEPTION.format(rules=rules)})
    assert check_exception("lab", policy.filters["lab"], {}) == []
    _announce(bus, policy)
    publish(bus, clock, iter(office()), "council")
    work(bus, counting(bus, policy), "events.")

    watch(bus, tmp_path)

    assert len(said(bus)) == alerts


def test_a_stage_that_begins_again_knows_the_exceptions_in_force_there() -> None:
    policy = Policy(tenant="council", version=7, filters={"lab": EXCEPTION.format(rules="any")})
    place, quarters = Partition("events.council", 0), office()
    record = Record(partition=place, offset=1, time=0.0, value=b"\n".join(quarters[PLANTED][1]))
    first, second = InForce(Policies(policy)), InForce(Policies(policy))
    told = Record(partition=place, offset=0, time=0.0, value=msgspec.json.encode(policy))
    first.change(told, "council")

    second.assigned({place: Position(1, first.note(place))})

    assert b"dump" in record.value
    assert b"dump" not in second.left(record, "council")
    assert second.left(record, "council") == first.left(record, "council")


def test_a_policy_that_was_never_announced_turns_nothing_off(
    bus: EmbeddedBus, clock: Clock, tmp_path: Path
) -> None:
    forged = Policy(tenant="council", version=9, states={RULE + view: State.OFF for view in VIEWS})
    _announce(bus, forged)
    publish(bus, clock, iter(office()), "council")
    work(bus, counting(bus), "events.")

    watch(bus, tmp_path)

    assert len(said(bus)) == 1


def test_what_is_no_part_of_behaviour_goes_to_the_dead_letters(
    bus: EmbeddedBus, tmp_path: Path
) -> None:
    with contextlib.closing(bus.producer()) as producer:
        producer.send("behaviour.council", b'{"v":2}\nnot json')

    watch(bus, tmp_path)

    with contextlib.closing(bus.consumer("reader", "dead.council")) as consumer:
        assert len(consumer.poll(0.0)) == 1


def test_going_back_holds_an_earlier_model_until_it_is_released(
    bus: EmbeddedBus, clock: Clock, tmp_path: Path
) -> None:
    quarters = list(days(6, hosts=3))
    publish(bus, clock, iter(quarters[: 96 * 3]), "council")
    work(bus, counting(bus), "events.")
    watch(bus, tmp_path)
    shelf = Shelf(Artefacts(tmp_path / "models", KEY))
    earliest = shelf.versions("council", "windows_security")[-1].version
    in_force = _in_force(shelf)

    _go_back(bus, earliest)
    publish(bus, clock, iter(quarters[96 * 3 : 96 * 4 + 4]), "council")
    work(bus, counting(bus), "events.")
    watch(bus, tmp_path)
    held = _in_force(shelf)
    _go_back(bus, "")
    publish(bus, clock, iter(quarters[96 * 4 + 4 : 96 * 5 + 4]), "council")
    work(bus, counting(bus), "events.")
    watch(bus, tmp_path)

    assert in_force != earliest
    assert held == earliest
    assert _in_force(shelf) not in (earliest, in_force)


def test_a_model_that_was_tampered_with_is_not_gone_back_to(
    bus: EmbeddedBus, clock: Clock, tmp_path: Path
) -> None:
    publish(bus, clock, days(3, hosts=4), "council")
    work(bus, counting(bus), "events.")
    watch(bus, tmp_path)
    shelf = Shelf(Artefacts(tmp_path / "models", KEY))
    earliest, in_force = shelf.versions("council", "windows_security")[-1].version, _in_force(shelf)
    path = tmp_path / "models" / "council" / "windows_security" / f"{earliest}.model"
    path.write_bytes(path.read_bytes() + b"x")

    _go_back(bus, earliest)
    watch(bus, tmp_path)

    assert earliest != in_force
    assert _in_force(shelf) == in_force
    assert kept(tmp_path).profiles["windows_security"].nights.version == in_force


def _in_force(shelf: Shelf) -> str:
    return shelf.artefacts.in_force("council", "windows_security")


def _go_back(bus: EmbeddedBus, version: str) -> None:
    asked = going_back.GoBack(profile="windows_security", version=version)
    with contextlib.closing(bus.producer()) as producer:
        headers = {"kind": going_back.KIND}
        producer.send("behaviour.council", going_back.encode(asked), headers=headers)


def _announce(bus: EmbeddedBus, policy: Policy) -> None:
    with contextlib.closing(bus.producer()) as producer:
        producer.send("events.council", msgspec.json.encode(policy), headers={"kind": "policy"})


def _alike(alerts: dict[str, Alert]) -> list[tuple[object, ...]]:
    """Alerts without what is a tenant's own."""
    return [
        (each.rule, each.hour, each.count, each.unusual and each.unusual.score)
        for each in alerts.values()
    ]
