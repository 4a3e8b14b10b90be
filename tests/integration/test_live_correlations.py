"""Correlations on the bus: events become signals that carry what is needed, and those alerts."""

import contextlib
import copy
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from collectors.bus.contract import Partition, Record, Retention
from collectors.bus.embedded import EmbeddedBus
from collectors.bus.loop import run
from collectors.event import Soc, encode, timestamp
from collectors.tick import Tick
from detection.alert import Alert
from detection.correlation import Correlation
from detection.live import FACTS, GROUP, WITHDRAWN
from detection.policy import Policy, State
from detection.sigma import Engine, load
from detection.signal import NO_BODY, Entity, Signal
from detection.worker import Detection
from tests.rule_sets import Announced, Sets

START = datetime(2026, 11, 24, 13, 10, tzinfo=UTC)
SOURCE = {"product": "linux", "service": "sshd"}
FAIL, OK, MANY, BROKEN, FEW = (f"00000000-0000-4000-8000-{n:012}" for n in range(5))


def base(identity: str, action: str, level: str = "low") -> dict[str, Any]:
    detection = {"selection": {"action": action}, "condition": "selection"}
    return {"title": action, "id": identity, "level": level, "logsource": SOURCE,
            "detection": detection}  # fmt: skip


def correlation(identity: str, level: str = "high", **content: Any) -> dict[str, Any]:
    content = {"timespan": "5m", "group-by": ["user"], **content}
    return {"title": "C", "id": identity, "level": level, "correlation": content}


RULES = [
    base(FAIL, "fail", "high"),
    base(OK, "ok"),
    correlation(MANY, type="event_count", rules=[FAIL], condition={"gte": 3}),
    correlation(BROKEN, "critical", type="temporal_ordered", rules=[MANY, OK], generate=True),
    correlation(FEW, type="event_count", rules=[OK], condition={"lt": 3}),
]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("rules")
    (folder / "rules.yml").write_text(yaml.safe_dump_all(RULES))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CITYSOC_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield load([folder])


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[EmbeddedBus]:
    with contextlib.closing(EmbeddedBus(tmp_path / "bus.db", clock=START.timestamp)) as opened:
        for kind in ("signals", "alerts", "dead"):
            opened.create_topic(f"{kind}.school", partitions=1, retention=Retention())
        yield opened


class NoVersions:
    def policy(self, tenant: str, version: int) -> Policy:
        raise KeyError(tenant, version)


def line(number: int, action: str, at: float, user: str = "jane", late: float = 0) -> bytes:
    """An event that happened `at` seconds after START, received `late` seconds later."""
    happened = START + timedelta(seconds=at)
    soc = Soc(
        v=1,
        id=f"{number:032x}",
        tenant="school",
        source="web-1",
        received=timestamp(happened + timedelta(seconds=late)),
        time=timestamp(happened),
        logsources=("linux//sshd",),
        related={"user": [user.lower()], "host": ["ws-014"]},
    )
    return encode({"action": action, "user": user}, soc)


def record(offset: int, value: bytes, **headers: str) -> Record:
    place = Partition("events.school", 0)
    return Record(partition=place, offset=offset, time=1.0, value=value, headers=headers)


def detect(bus: EmbeddedBus, engine: Engine, *lines: bytes, policy: Policy | None = None) -> None:
    """Match events, a record each, under a policy."""
    versions = Announced() if policy is None else Announced(policy)
    with contextlib.closing(Detection(bus, Sets(engine), versions=versions)) as stage:
        records = [record(n, value) for n, value in enumerate(lines, 1)]
        if policy is not None:
            value = msgspec.json.encode(policy)
            records.insert(0, record(0, value, kind="policy"))
        stage.handle(records)
        stage.flush()


def lines_of(bus: EmbeddedBus, topic: str) -> list[bytes]:
    with contextlib.closing(bus.consumer("reader", topic)) as consumer:
        return [line for record in consumer.poll(0.2) for line in record.value.split(b"\n")]


def signals(bus: EmbeddedBus) -> list[Signal]:
    return [msgspec.json.decode(each, type=Signal) for each in lines_of(bus, "signals.school")]


def correlate(bus: EmbeddedBus, scratch: Path, engine: Engine, **imported: Engine) -> None:
    """Run the stage until it has read everything."""
    stop = threading.Event()
    stage = Correlation(bus, scratch / "seen.sqlite", Sets(engine, **imported))

    def work() -> None:
        run(bus, stage, group="correlation", topics="signals.", stage="correlation", stop=stop)

    thread = threading.Thread(target=work)
    thread.start()
    deadline = time.monotonic() + 20
    while (lag := bus.group_lag().get("correlation")) is None or lag.records:
        assert time.monotonic() < deadline
        stop.wait(0.005)
    stop.set()
    thread.join()
    stage.close()


def alerts(bus: EmbeddedBus) -> dict[str, Alert]:
    """The highest revision of each alert of a correlation, by rule."""
    newest: dict[str, Alert] = {}
    for each in lines_of(bus, "alerts.school"):
        alert = msgspec.json.decode(each, type=Alert)
        if alert.rule not in newest or newest[alert.rule].revision < alert.revision:
            newest[alert.rule] = alert
    return newest


ATTACK = [line(n, "fail", n * 10, "JANE" if n == 1 else "jane") for n in range(4)]
ATTACK.append(line(9, "ok", 60))


def test_a_signal_carries_what_its_correlations_need(bus: EmbeddedBus, engine: Engine) -> None:
    detect(bus, engine, ATTACK[0], ATTACK[4])

    fail, ok = signals(bus)
    assert (fail.state, fail.values) == (State.SIGNAL, {"user": "jane"})
    assert fail.correlations == {MANY: State.ALERT, BROKEN: State.ALERT}
    assert ok.correlations == {BROKEN: State.ALERT, FEW: State.ALERT}
    assert b'"action":"fail"' in bytes(fail.body)


def test_what_serves_no_correlation_carries_nothing_more(bus: EmbeddedBus, engine: Engine) -> None:
    off = {MANY: State.OFF, BROKEN: State.OFF}

    detect(bus, engine, *ATTACK[:1], policy=Policy(tenant="school", version=1, states=off))

    [signal] = signals(bus)
    assert (signal.correlations, signal.values, signal.body) == ({}, {}, NO_BODY)


def test_correlations_alert_on_their_group_with_all_their_events(
    bus: EmbeddedBus, engine: Engine, tmp_path: Path
) -> None:
    detect(bus, engine, *ATTACK, line(20, "fail", 5, "john"))
    correlate(bus, tmp_path, engine)

    found = alerts(bus)
    assert found.keys() == {MANY, BROKEN}
    many, broken = found[MANY], found[BROKEN]
    assert (many.entity, many.hour, many.count) == (Entity("user", "jane"), "2026-11-24T13", 4)
    assert (broken.level, broken.count, len(broken.bodies)) == ("critical", 5, 5)
    assert broken.events == tuple(f"{n:032x}" for n in (0, 1, 2, 3, 9))
    assert (broken.first, broken.last) == (
        timestamp(START), timestamp(START + timedelta(seconds=60)),
    )  # fmt: skip


def test_an_alert_says_its_group_and_rules_and_carries_its_beginning_and_its_end(
    bus: EmbeddedBus, engine: Engine, tmp_path: Path
) -> None:
    many = [line(n, "fail", n) for n in range(40)]

    detect(bus, engine, *many, line(99, "ok", 60))
    correlate(bus, tmp_path, engine)

    broken = alerts(bus)[BROKEN]
    assert broken.context == {FACTS: {GROUP: "user jane", "fail": "40", "ok": "1"}}
    assert broken.count == 41
    assert broken.events == tuple(f"{n:032x}" for n in (*range(10), *range(31, 40), 99))


@pytest.mark.parametrize("seed", range(4))
def test_order_redelivery_and_restarts_change_no_alert(
    seed: int, bus: EmbeddedBus, engine: Engine, tmp_path: Path
) -> None:
    """Whatever the log's order, only the revisions differ: they are places in it."""
    draw = random.Random(seed)
    shuffled = draw.sample(ATTACK, len(ATTACK))
    for number in range(len(shuffled)):
        detect(bus, engine, *shuffled[: number + 1])
        if draw.random() < 0.5:
            correlate(bus, tmp_path, engine)
    correlate(bus, tmp_path, engine)

    found = alerts(bus)

    assert {rule: (each.count, each.events) for rule, each in found.items()} == {
        MANY: (4, tuple(f"{n:032x}" for n in range(4))),
        BROKEN: (5, tuple(f"{n:032x}" for n in (0, 1, 2, 3, 9))),
    }


def test_a_restarted_stage_says_again_nothing_that_was_said(
    bus: EmbeddedBus, engine: Engine, tmp_path: Path
) -> None:
    detect(bus, engine, *ATTACK)
    correlate(bus, tmp_path, engine)
    said = lines_of(bus, "alerts.school")

    correlate(bus, tmp_path, engine)
    detect(bus, engine, *ATTACK[:1])
    correlate(bus, tmp_path, engine)

    assert lines_of(bus, "alerts.school") == said


def test_a_correlation_in_state_signal_serves_others_and_alerts_nobody(
    bus: EmbeddedBus, engine: Engine, tmp_path: Path
) -> None:
    quiet = Policy(tenant="school", version=1, states={MANY: State.SIGNAL})

    detect(bus, engine, *ATTACK, policy=quiet)
    correlate(bus, tmp_path, engine)

    assert alerts(bus).keys() == {BROKEN}


def test_an_event_a_week_late_takes_no_part(
    bus: EmbeddedBus, engine: Engine, tmp_path: Path
) -> None:
    week = timedelta(days=7, seconds=1).total_seconds()
    late = [line(n, "fail", n * 10 - week, late=week) for n in range(3)]

    detect(bus, engine, *late)
    correlate(bus, tmp_path, engine)

    assert alerts(bus) == {}


def tick(at: float, source: str = "web-1") -> bytes:
    received = timestamp(START + timedelta(seconds=at))
    return msgspec.json.encode(Tick(v=1, tenant="school", source=source, received=received))


def say(bus: EmbeddedBus, *ticks: bytes) -> None:
    """What detection passes on."""
    with contextlib.closing(bus.producer()) as producer:
        producer.send("signals.school", b"\n".join(ticks), headers={"kind": "tick"})


@pytest.fixture
def later(bus: EmbeddedBus) -> None:
    """The bus's time is tomorrow, so that ticks of today are none of the future."""
    bus._clock = lambda: START.timestamp() + 86_400


ONCE = line(9, "ok", 60)


@pytest.mark.usefixtures("later")
def test_the_last_thing_seen_for_hours_still_alerts_as_its_source_ticks_on(
    bus: EmbeddedBus, engine: Engine, tmp_path: Path
) -> None:
    detect(bus, engine, ONCE)
    say(bus, tick(300), tick(360 + 29))
    correlate(bus, tmp_path, engine)
    assert alerts(bus) == {}

    say(bus, tick(8 * 3600))
    correlate(bus, tmp_path, engine)

    few = alerts(bus)[FEW]
    assert (few.count, few.hour, few.entity) == (1, "2026-11-24T13", Entity("user", "jane"))


@pytest.mark.usefixtures("later")
def test_a_window_waits_for_every_source_but_not_for_one_that_has_gone_silent(
    bus: EmbeddedBus, engine: Engine, tmp_path: Path
) -> None:
    detect(bus, engine, ONCE)
    say(bus, tick(350, "slow"), tick(395))
    correlate(bus, tmp_path, engine)
    assert alerts(bus) == {}

    say(bus, tick(350 + 301))
    correlate(bus, tmp_path, engine)

    assert alerts(bus).keys() == {FEW}


@pytest.mark.usefixtures("later")
def test_what_comes_after_the_decision_withdraws_an_alert_that_was_not_true(
    bus: EmbeddedBus, engine: Engine, tmp_path: Path
) -> None:
    detect(bus, engine, ONCE)
    say(bus, tick(500))
    correlate(bus, tmp_path, engine)
    before = alerts(bus)[FEW]

    detect(bus, engine, line(10, "ok", 70, late=600), line(11, "ok", 80, late=600))
    say(bus, tick(800))
    correlate(bus, tmp_path, engine)

    after = alerts(bus)[FEW]
    assert after.revision > before.revision
    assert after == msgspec.structs.replace(before, revision=after.revision, marks=(WITHDRAWN,))


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("seed", range(6))
def test_falling_conditions_say_the_same_in_any_order_with_any_restarts(
    seed: int, bus: EmbeddedBus, engine: Engine, tmp_path: Path
) -> None:
    """Three `ok` of jane are not few, one of john is; told early or late, withdrawn or not."""
    draw = random.Random(seed)
    lines = [line(n, "ok", 60 + n * 10, late=n * 300) for n in range(3)]
    lines.append(line(7, "ok", 90, "john"))
    for number, each in enumerate(draw.sample(lines, len(lines))):
        detect(bus, engine, *lines[: draw.randrange(2)], each)
        say(bus, tick(400 + number * 50))
        if draw.random() < 0.6:
            correlate(bus, tmp_path, engine)
    say(bus, tick(7200))
    correlate(bus, tmp_path, engine)

    newest: dict[str, Alert] = {}
    for each in lines_of(bus, "alerts.school"):
        alert = msgspec.json.decode(each, type=Alert)
        if alert.id not in newest or newest[alert.id].revision <= alert.revision:
            newest[alert.id] = alert
    standing = [each for each in newest.values() if WITHDRAWN not in each.marks]
    assert [(each.entity.name, each.count) for each in standing] == [("john", 1)]


def other(engine: Engine, version: str, **changes: Any) -> Engine:
    """The same rules as another version of the set, one correlation of which may have changed."""
    changed = copy.copy(engine)
    changed.version = version
    changed.correlations = [
        replace(each, **changes) if each.info.id == MANY else each for each in engine.correlations
    ]
    return changed


def test_a_correlation_that_has_not_changed_goes_on_over_a_switch_and_back(
    bus: EmbeddedBus, engine: Engine, tmp_path: Path
) -> None:
    second = other(engine, "v2", info=replace(engine.correlations[0].info, title="Renamed"))

    detect(bus, engine, ATTACK[0])
    detect(bus, second, *ATTACK[:2])
    correlate(bus, tmp_path, engine, v2=second)
    detect(bus, engine, ATTACK[2])
    correlate(bus, tmp_path, engine, v2=second)

    assert (alerts(bus)[MANY].count, alerts(bus)[MANY].title) == (3, "C")


def test_a_correlation_that_has_changed_begins_anew_and_is_found_again_on_the_way_back(
    bus: EmbeddedBus, engine: Engine, tmp_path: Path
) -> None:
    second = other(engine, "v2", threshold=2)

    detect(bus, engine, *ATTACK[:2])
    detect(bus, second, line(30, "fail", 20))
    correlate(bus, tmp_path, engine, v2=second)
    assert alerts(bus) == {}
    detect(bus, engine, ATTACK[3])
    correlate(bus, tmp_path, engine, v2=second)

    assert alerts(bus)[MANY].count == 3
