"""Signals for the correlation stage, the stage itself, and the alerts that come of them."""

import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collectors.bus.embedded import EmbeddedBus
from collectors.bus.loop import run
from collectors.event import timestamp
from detection.alert import Alert
from detection.correlation import Correlation
from detection.policy import State
from detection.signal import Entity, Place, Signal, signal_id
from tests.buses import Clock, opened
from tests.rule_sets import Sets

START = datetime(2026, 11, 24, 13, 10, tzinfo=UTC)
HOST = Entity("host", "ws-014")
TENANTS = ("council", "school")
KINDS = ("signals", "alerts", "dead")


@pytest.fixture
def clock() -> Clock:
    """Time stands still at START until a test moves it."""
    return Clock(START)


@pytest.fixture
def bus(tmp_path: Path, clock: Clock) -> Iterator[EmbeddedBus]:
    """A bus with the topics of two tenants."""
    with opened(tmp_path / "bus.db", clock, TENANTS, KINDS) as bus:
        yield bus


def signal(number: int, at: datetime = START, **settings: Any) -> Signal:
    """A signal of its own event; `number` is event id and place."""
    tenant = settings.get("tenant", "school")
    fields = {
        "id": signal_id(tenant, settings.get("rule", "r1"), f"{number:032x}"),
        "tenant": "school",
        "rule": "r1",
        "title": "Title",
        "level": "high",
        "state": State.ALERT,
        "ruleset": "rules-1",
        "policy": 0,
        "event": f"{number:032x}",
        "source": "web-1",
        "place": Place(0, number, 0),
        "time": timestamp(at),
        "received": timestamp(max(at, START)),
        "entity": HOST,
        "body": msgspec.Raw(b'{"number":%d}' % number),
    }
    return Signal(**{**fields, **settings})


def send(bus: EmbeddedBus, *signals: Signal, tenant: str = "school") -> None:
    """All in one record."""
    put(bus, b"\n".join(map(msgspec.json.encode, signals)), tenant)


def put(bus: EmbeddedBus, value: bytes, tenant: str = "school", **headers: str) -> None:
    with contextlib.closing(bus.producer()) as producer:
        producer.send(f"signals.{tenant}", value, headers=headers)


def correlate(bus: EmbeddedBus, tmp_path: Path, **settings: Any) -> None:
    """Run the stage until it has read everything."""
    stop = threading.Event()
    stage = Correlation(bus, tmp_path / "seen.sqlite", Sets(), **settings)

    def work() -> None:
        run(
            bus,
            stage,
            group="correlation",
            topics="signals.",
            stage="correlation",
            stop=stop,
        )

    thread = threading.Thread(target=work)
    thread.start()
    deadline = time.monotonic() + 20
    ends = sum(bus.ends(f"signals.{tenant}")[0][1] for tenant in ("school", "council"))
    while (lag := bus.group_lag().get("correlation")) is None or (lag.records and ends):
        assert time.monotonic() < deadline
        stop.wait(0.005)
    stop.set()
    thread.join()
    stage.close()


def sent(bus: EmbeddedBus, tenant: str = "school") -> list[Alert]:
    """Everything on the alerts log, in order."""
    with contextlib.closing(bus.consumer("reader", f"alerts.{tenant}")) as consumer:
        values = [record.value for record in consumer.poll(0.2)]
    return [
        msgspec.json.decode(line, type=Alert) for value in values for line in value.split(b"\n")
    ]


def final(bus: EmbeddedBus, tenant: str = "school") -> list[Alert]:
    """The highest revision of each alert."""
    newest: dict[str, Alert] = {}
    for alert in sent(bus, tenant):
        if alert.id not in newest or newest[alert.id].revision < alert.revision:
            newest[alert.id] = alert
    return sorted(newest.values(), key=lambda alert: (alert.hour, alert.rule, alert.entity.name))
