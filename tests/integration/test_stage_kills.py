"""Detection and correlation as processes, killed at work again and again: counts stay exact."""

import contextlib
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from collectors.bus.contract import Retention
from collectors.bus.embedded import EmbeddedBus
from collectors.event import Soc, encode, timestamp
from detection.alert import Alert
from detection.signal import Signal
from tests.leash import leashed

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 24, 13, 47, 3, tzinfo=UTC)
HOSTS = 5
RECORDS = 400
EVENTS_A_RECORD = 5
RULE = """
title: Root shell
id: 0a1b2c3d-0000-4000-8000-000000000001
status: test
logsource: {product: linux, service: sshd}
detection:
  selection: {message|contains: 'root shell'}
  condition: selection
level: high
"""

BEGIN = """
import sys, threading
from pathlib import Path
from collectors.bus.embedded import EmbeddedBus
from collectors.bus.loop import run
folder = Path(sys.argv[1])
bus = EmbeddedBus(folder / "bus.db")
stop = threading.Event()
"""
DETECTION = (
    BEGIN
    + """
from detection.sigma import load
from detection.worker import Detection
from tests.rule_sets import Announced, Sets
sets = Sets(load([folder / "rule.yml"]))
run(bus, Detection(bus, sets, versions=Announced()), group="detection", topics="events.",
    stage="detection", stop=stop, batch=7)
"""
)
CORRELATION = (
    BEGIN
    + """
from detection.correlation import Correlation
from tests.rule_sets import Sets
run(bus, Correlation(bus, folder / "seen.sqlite", Sets()), group="correlation", topics="signals.",
    stage="correlation", stop=stop, batch=7)
"""
)


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[EmbeddedBus]:
    (tmp_path / "rule.yml").write_text(RULE)
    with contextlib.closing(EmbeddedBus(tmp_path / "bus.db")) as opened:
        for kind, partitions in (("events", 4), ("signals", 1), ("alerts", 1), ("dead", 1)):
            opened.create_topic(f"{kind}.school", partitions=partitions, retention=Retention())
        yield opened


def event(number: int) -> bytes:
    soc = Soc(
        v=1,
        id=f"{number:032x}",
        tenant="school",
        source="web-1",
        received=timestamp(NOW),
        time=timestamp(NOW),
        logsources=("linux//sshd",),
        related={"user": [f"user-{number % HOSTS}"]},
    )
    return encode({"message": "a root shell" if number % 2 else "a visit"}, soc)


def send_events(bus: EmbeddedBus) -> None:
    with contextlib.closing(bus.producer()) as producer:
        for record in range(RECORDS):
            first = record * EVENTS_A_RECORD
            lines = map(event, range(first, first + EVENTS_A_RECORD))
            producer.send("events.school", b"\n".join(lines), partition=record % 4)


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition did not come true"
        threading.Event().wait(0.005)


def stage(code: str, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(leashed([sys.executable, "-c", code, str(folder)]), cwd=ROOT)


def kill_at_work(code: str, folder: Path, done: Callable[[], int], rounds: int, part: int) -> None:
    """Start the stage and kill it once it has done another part, `rounds` times."""
    for _ in range(rounds):
        goal = done() + part
        with subprocess.Popen(
            leashed([sys.executable, "-c", code, str(folder)]), cwd=ROOT
        ) as process:
            wait_for(lambda goal=goal: done() >= goal)
            process.kill()


def run_to_the_end(code: str, folder: Path, bus: EmbeddedBus, group: str) -> None:
    with stage(code, folder) as process:
        wait_for(lambda: bus.group_lag()[group].records == 0)
        process.kill()


def read_lines(bus: EmbeddedBus, topic: str) -> Iterator[bytes]:
    with contextlib.closing(bus.consumer("reader", topic)) as consumer:
        while records := consumer.poll(0.2):
            for record in records:
                yield from record.value.split(b"\n")


def test_each_match_is_counted_once_however_often_stages_are_killed(
    bus: EmbeddedBus, tmp_path: Path
) -> None:
    send_events(bus)

    def signals_written() -> int:
        return bus.ends("signals.school")[0][1]

    def alerts_written() -> int:
        return bus.ends("alerts.school")[0][1]

    kill_at_work(DETECTION, tmp_path, signals_written, rounds=3, part=20)
    kill_at_work(CORRELATION, tmp_path, alerts_written, rounds=3, part=1)
    run_to_the_end(DETECTION, tmp_path, bus, "detection")
    run_to_the_end(CORRELATION, tmp_path, bus, "correlation")

    signals = [msgspec.json.decode(line, type=Signal) for line in read_lines(bus, "signals.")]
    newest: dict[str, Alert] = {}
    for line in read_lines(bus, "alerts."):
        alert = msgspec.json.decode(line, type=Alert)
        if alert.id not in newest or newest[alert.id].revision <= alert.revision:
            newest[alert.id] = alert
    matching = [number for number in range(RECORDS * EVENTS_A_RECORD) if number % 2]
    assert {each.event for each in signals} == {f"{number:032x}" for number in matching}
    assert {alert.entity.name: alert.count for alert in newest.values()} == Counter(
        f"user-{number % HOSTS}" for number in matching
    )
    assert list(read_lines(bus, "dead.")) == []
