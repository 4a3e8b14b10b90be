"""Doors close before the disk is full, and say why."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.bus.contract import Overloaded, Retention
from collectors.bus.embedded import EmbeddedBus
from deploy.settings import SpaceSettings
from deploy.space import LOOK_SECONDS, GuardedBus, Space, used_share


class Disk:
    """A disk whose fullness and clock the test sets."""

    def __init__(self) -> None:
        self.used = 10.0
        self.time = 0.0

    def space(self) -> Space:
        return Space(
            Path(),
            SpaceSettings(),
            clock=lambda: self.time,
            used=lambda _: self.used,
        )

    def fill(self, used: float) -> None:
        self.used = used
        self.time += LOOK_SECONDS


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[EmbeddedBus]:
    bus = EmbeddedBus(tmp_path / "bus.sqlite")
    bus.create_topic("events.school", partitions=1, retention=Retention())
    yield bus
    bus.close()


def test_doors_take_nothing_from_95_percent_on_and_go_on_when_there_is_room(
    bus: EmbeddedBus,
) -> None:
    disk = Disk()
    producer = GuardedBus(bus, disk.space()).producer()

    producer.send("events.school", b"{}")
    producer.flush()
    disk.fill(95)
    with pytest.raises(Overloaded, match="95 % full"):
        producer.send("events.school", b"{}")
    disk.fill(94)
    producer.send("events.school", b"{}")
    producer.close()

    assert bus.ends("events.school") == [(0, 2)]


def test_other_stages_may_still_write_so_that_what_was_accepted_is_worked_on(
    bus: EmbeddedBus,
) -> None:
    disk = Disk()
    GuardedBus(bus, disk.space())
    disk.fill(99)

    producer = bus.producer()
    producer.send("events.school", b"{}")
    producer.close()

    assert bus.ends("events.school") == [(0, 1)]


def test_limits_are_logged_once_each_way(capsys: pytest.CaptureFixture[str]) -> None:
    disk = Disk()
    space = disk.space()

    for used in (74, 75, 80, 85, 90, 95, 96, 50, 50):
        disk.fill(used)
        space.look()

    said = [line for line in capsys.readouterr().out.splitlines() if "disk space" in line]
    states = [line.split("state=")[1].split()[0] for line in said]
    assert states == ["warning", "alarm", "refusing", "enough"]


def test_the_share_is_of_the_real_disk(tmp_path: Path) -> None:
    assert 0 < used_share(tmp_path) < 100
