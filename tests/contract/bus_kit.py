"""What the tests of the bus contract share: the adapters, and how a test sends and waits."""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from collectors.bus.contract import (
    Bus,
    Consumer,
    Position,
    Record,
    Retention,
)
from collectors.bus.embedded import EmbeddedBus


class Embedded:
    """The SQLite bus_adapter: one file a test."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bus.db"
        self.child = (
            "from collectors.bus.embedded import EmbeddedBus\n"
            f"bus = EmbeddedBus({str(self.path)!r})\n"
        )
        """What another process runs to open the same bus."""

    def open(self, **settings: Any) -> EmbeddedBus:
        return EmbeddedBus(self.path, **settings)


@pytest.fixture(params=[Embedded])
def bus_adapter(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return request.param(tmp_path)


@pytest.fixture
def bus(bus_adapter: Any) -> Iterator[Bus]:
    with contextlib.closing(bus_adapter.open()) as opened:
        yield opened


@pytest.fixture
def topic(bus: Bus) -> str:
    name = f"events.t{uuid.uuid4().hex[:12]}"
    bus.create_topic(name, partitions=4, retention=Retention())
    return name


def send(bus: Bus, topic: str, *values: bytes, partition: int | None = 0, key: str = "") -> None:
    with contextlib.closing(bus.producer()) as producer:
        for value in values:
            producer.send(topic, value, partition=partition, key=key)


def collect(consumer: Consumer, count: int, seconds: float = 20) -> list[Record]:
    """Poll until there are `count` records; fails at the deadline."""
    deadline = time.monotonic() + seconds
    records: list[Record] = []
    while len(records) < count:
        assert time.monotonic() < deadline, f"{len(records)} of {count} records"
        records += consumer.poll(0.1)
    return records


def wait_for(condition: Callable[[], Any], *consumers: Consumer, seconds: float = 20) -> None:
    """Until the condition holds, polling the consumers so that they take part in the group."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition did not come true"
        for consumer in consumers:
            consumer.poll(0)


def values(records: Sequence[Record]) -> list[bytes]:
    return [record.value for record in records]


def commit(consumer: Consumer, records: Sequence[Record], note: str = "") -> None:
    consumer.commit({r.partition: Position(r.offset + 1, note) for r in records})
