"""Triage beside the real bus: killed with work in flight, it takes every alert once."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from collectors.bus.contract import Retention
from collectors.bus.embedded import EmbeddedBus
from detection.alert import Alert
from tenants.access import EVERY_TENANT, OPERATOR
from tenants.database import Database
from tenants.onboarding import Onboarding
from tenants.source_kinds import Endpoints
from tenants.triage.desk import Desk
from tests.alerts import alert
from tests.databases import KINDS, empty
from tests.leash import leashed

ALERTS = 4000
KILLS = 4
STAGE = """
import threading
from collectors.bus.embedded import EmbeddedBus
from collectors.bus.loop import run
from tenants.database import Database
from tenants.triage.intake import Intake
bus = EmbeddedBus({bus!r})
database = Database.open({url!r})
producer = bus.producer()
run(bus, Intake(database, producer), group="triage", topics="alerts.", stage="triage",
    stop=threading.Event(), batch=5)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_every_alert_is_in_the_queue_once_after_kills(kind: str, tmp_path: Path) -> None:
    with empty(kind, tmp_path) as place:
        _kill_with_work_in_flight(place.migrated().program, tmp_path)


def _kill_with_work_in_flight(url: str, tmp_path: Path) -> None:
    database = Database(url)
    Onboarding(database, OPERATOR, Endpoints()).add_tenant("school", "School")
    bus = EmbeddedBus(tmp_path / "bus.sqlite")
    _send(bus)
    program = STAGE.format(bus=str(tmp_path / "bus.sqlite"), url=url)

    for kill in range(KILLS):
        goal = ALERTS * (kill + 1) // (KILLS + 1)
        with _stage(program) as process:
            _wait(lambda goal=goal: _stored(database) >= goal)
            os.kill(process.pid, signal.SIGKILL)
    left = _unread(bus)
    with _stage(program):
        _wait(lambda: _unread(bus) == 0)

    assert left > 0
    counts = Desk(database, OPERATOR).counts()
    assert counts.open == ALERTS // 4
    with database.read(EVERY_TENANT) as connection:
        matches = connection.exec_driver_sql("SELECT sum(matches) FROM items").scalar()
        events = connection.exec_driver_sql("SELECT count(*) FROM alert_events").scalar()
        opened = connection.exec_driver_sql("SELECT count(*) FROM history").scalar()
    assert (matches, events, opened) == (ALERTS * 2, ALERTS * 2, ALERTS // 4)
    database.close()
    bus.close()


def _send(bus: EmbeddedBus) -> None:
    """Each alert twice: at its first match, and amended with a second; 20 lines a record."""
    for kind in ("alerts", "dead"):
        bus.create_topic(f"{kind}.school", partitions=1, retention=Retention())
    lines = [
        msgspec.json.encode(_alert(number, count)) for number in range(ALERTS) for count in (1, 2)
    ]
    with contextlib.closing(bus.producer()) as producer:
        for start in range(0, len(lines), 20):
            producer.send("alerts.school", b"\n".join(lines[start : start + 20]))
        producer.flush()


def _alert(number: int, count: int) -> Alert:
    """Four hours of each of 1,000 hosts."""
    hour = f"2026-11-24T{number % 4:02}"
    return alert(
        f"h{number // 4}",
        hour,
        revision=number * 2 + count,
        count=count,
        last=f"{hour}:0{count}:00.000000Z",
        events=tuple(f"{number * 2 + one:032x}" for one in range(count)),
        bodies=(msgspec.Raw(b"{}"),) * count,
    )


@contextlib.contextmanager
def _stage(program: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(leashed([sys.executable, "-c", program]))
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _stored(database: Database) -> int:
    with database.read(EVERY_TENANT) as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM alerts").scalar() or 0)


def _unread(bus: EmbeddedBus) -> int:
    lag = bus.group_lag().get("triage")
    return -1 if lag is None else lag.records


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.005)
