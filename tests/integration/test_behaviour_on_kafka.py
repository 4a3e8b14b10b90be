"""The anomaly stage on a real broker says what it says on the embedded bus."""

import contextlib
import uuid
from pathlib import Path

from collectors.bus.contract import Bus, Retention
from collectors.bus.kafka import KafkaBus, KafkaSettings
from deploy.local.servers import Running
from tests.behaviour import KINDS, START, behaviour, counting, days, opened, publish, said, work
from tests.buses import Clock

WAIT = 1.5
"""Seconds without a record after which a log has been read."""


def watch(bus: Bus, clock: Clock, folder: Path, wait: float) -> list[tuple[object, ...]]:
    """What three days with something odd are said to be."""
    publish(bus, clock, days(3, hosts=4, planted=[96 * 2 + 40]), "council")
    counts = counting(bus)
    work(bus, counts, "events.", wait=wait)
    counts.close()
    stage = behaviour(bus, folder)
    work(bus, stage, "behaviour.", wait=wait)
    stage.close()
    return [(each.id, each.count) for each in said(bus, wait=wait).values()]


def test_a_real_broker_makes_no_difference(kafka_server: Running, tmp_path: Path) -> None:
    settings = KafkaSettings(
        servers=kafka_server.kafka, prefix=f"{uuid.uuid4().hex[:12]}.", session=6, look=0.5
    )
    clock = Clock(START)
    with opened(tmp_path / "bus.db", clock, "council") as embedded:
        expected = watch(embedded, clock, tmp_path / "embedded", 0.0)

    with contextlib.closing(KafkaBus(settings)) as bus:
        for kind in KINDS:
            bus.create_topic(f"{kind}.council", partitions=1, retention=Retention())
        found = watch(bus, clock, tmp_path / "kafka", WAIT)

    assert expected
    assert found == expected
