"""What the tests of the bus contract share: the adapters, and how a test sends and waits."""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
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
from collectors.bus.kafka import KafkaBus, KafkaSettings


class Embedded:
    """The SQLite bus_adapter: one file a test."""

    whole_flushes = True
    """Whether a flush is one transaction."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        folder: Path = request.getfixturevalue("tmp_path")
        self.path = folder / "bus.db"
        self.child = (
            "from collectors.bus.embedded import EmbeddedBus\n"
            f"bus = EmbeddedBus({str(self.path)!r})\n"
        )
        """What another process runs to open the same bus."""

    def open(self, **settings: Any) -> EmbeddedBus:
        return EmbeddedBus(self.path, **settings)


class Kafka:
    """The session's broker: a prefix a test."""

    whole_flushes = False

    def __init__(self, request: pytest.FixtureRequest) -> None:
        request.getfixturevalue("refused_sockets")  # of joins that another member cut short
        self.settings = KafkaSettings(
            servers=request.getfixturevalue("kafka_server").kafka,
            prefix=f"{uuid.uuid4().hex[:12]}.",
            session=6,
            look=0.5,
        )
        self.child = (
            "from collectors.bus.kafka import KafkaBus, KafkaSettings\n"
            f"bus = KafkaBus(KafkaSettings(servers={self.settings.servers!r},"
            f" prefix={self.settings.prefix!r}, session=6, look=0.5))\n"
        )

    def open(self, **settings: Any) -> KafkaBus:
        return KafkaBus(replace(self.settings, **settings))


@pytest.fixture(params=[Embedded, Kafka], ids=["embedded", "kafka"])
def bus_adapter(request: pytest.FixtureRequest) -> Any:
    return request.param(request)


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


def wait_for(condition: Callable[[], Any], *consumers: Consumer, seconds: float = 45) -> None:
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
