"""Ticks on their way: doors write them, detection passes them on after what came before."""

import contextlib
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from collectors.bus.contract import Partition, Record, Retention
from collectors.bus.embedded import EmbeddedBus
from collectors.event import timestamp
from collectors.tick import HEADERS, KIND, Tick
from detection.worker import Detection
from tests.integration.door_kit import Doors, read_records, wait_for
from tests.rule_sets import Announced, Sets

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_a_source_ticks_on_its_own_partition_though_nothing_was_ever_sent(doors: Doors) -> None:
    def ticks() -> list[Record]:
        return [each for each in read_records(doors.bus, "school") if each.kind == KIND]

    wait_for(ticks)

    first = ticks()[0]
    tick = msgspec.json.decode(first.value, type=Tick)
    assert (tick.tenant, tick.source, first.key) == ("school", "web", "web")
    assert abs(tick.moment - first.time) < 10


def tick(source: str, second: int, tenant: str = "school") -> bytes:
    received = timestamp(NOW.replace(second=second))
    return msgspec.json.encode(Tick(v=1, tenant=tenant, source=source, received=received))


def test_detection_passes_on_the_last_tick_of_each_source(tmp_path: Path) -> None:
    with contextlib.closing(EmbeddedBus(tmp_path / "bus.db")) as bus:
        for tenant in ("school", "council"):
            bus.create_topic(f"signals.{tenant}", partitions=1, retention=Retention())
        sent = [("school", "web", 1), ("council", "web", 2), ("school", "mail", 3),
                ("school", "web", 4)]  # fmt: skip
        records = [
            Record(partition=Partition(f"events.{tenant}", 0), offset=number,
                   time=NOW.timestamp(), value=tick(source, second, tenant), headers=HEADERS)
            for number, (tenant, source, second) in enumerate(sent)
        ]  # fmt: skip

        with contextlib.closing(Detection(bus, Sets(), versions=Announced())) as stage:
            stage.handle(records)
            stage.flush()

        with contextlib.closing(bus.consumer("reader", "signals.")) as consumer:
            passed = {each.partition.topic: each for each in consumer.poll(0.2)}
    assert {each.kind for each in passed.values()} == {KIND}
    assert passed["signals.school"].value == tick("web", 4) + b"\n" + tick("mail", 3)
    assert passed["signals.council"].value == tick("web", 2, "council")
