"""Correlations on the bus: events become signals that carry what is needed, and those alerts."""

import contextlib
import random
import threading
import time
from collections.abc import Iterator, Sequence
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
from detection.alert import Alert
from detection.correlation import Correlation
from detection.live import live, reach
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


def correlate(bus: EmbeddedBus, scratch: Path, correlations: Sequence[Any]) -> None:
    """Run the stage until it has read everything."""
    stop = threading.Event()
    stage = Correlation(bus, scratch / "seen.sqlite", correlations=correlations)

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
    assert ok.correlations == {BROKEN: State.ALERT}
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
    correlate(bus, tmp_path, engine.correlations)

    found = alerts(bus)
    assert found.keys() == {MANY, BROKEN}
    many, broken = found[MANY], found[BROKEN]
    assert (many.entity, many.hour, many.count) == (Entity("user", "jane"), "2026-11-24T13", 4)
    assert (broken.level, broken.count, len(broken.bodies)) == ("critical", 5, 5)
    assert broken.events == tuple(f"{n:032x}" for n in (0, 1, 2, 3, 9))
    assert (broken.first, broken.last) == (
        timestamp(START), timestamp(START + timedelta(seconds=60)),
    )  # fmt: skip


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
            correlate(bus, tmp_path, engine.correlations)
    correlate(bus, tmp_path, engine.correlations)

    found = alerts(bus)

    assert {rule: (each.count, each.events) for rule, each in found.items()} == {
        MANY: (4, tuple(f"{n:032x}" for n in range(4))),
        BROKEN: (5, tuple(f"{n:032x}" for n in (0, 1, 2, 3, 9))),
    }


def test_a_restarted_stage_says_again_nothing_that_was_said(
    bus: EmbeddedBus, engine: Engine, tmp_path: Path
) -> None:
    detect(bus, engine, *ATTACK)
    correlate(bus, tmp_path, engine.correlations)
    said = lines_of(bus, "alerts.school")

    correlate(bus, tmp_path, engine.correlations)
    detect(bus, engine, *ATTACK[:1])
    correlate(bus, tmp_path, engine.correlations)

    assert lines_of(bus, "alerts.school") == said


def test_a_correlation_in_state_signal_serves_others_and_alerts_nobody(
    bus: EmbeddedBus, engine: Engine, tmp_path: Path
) -> None:
    quiet = Policy(tenant="school", version=1, states={MANY: State.SIGNAL})

    detect(bus, engine, *ATTACK, policy=quiet)
    correlate(bus, tmp_path, engine.correlations)

    assert alerts(bus).keys() == {BROKEN}


def test_an_event_a_week_late_takes_no_part(
    bus: EmbeddedBus, engine: Engine, tmp_path: Path
) -> None:
    week = timedelta(days=7, seconds=1).total_seconds()
    late = [line(n, "fail", n * 10 - week, late=week) for n in range(3)]

    detect(bus, engine, *late)
    correlate(bus, tmp_path, engine.correlations)

    assert alerts(bus) == {}


def test_what_waits_for_its_windows_end_is_for_files_only(engine: Engine) -> None:
    running = live(engine.correlations)

    assert {each.info.id for each in running} == {MANY, BROKEN}
    assert reach(running) == 600
