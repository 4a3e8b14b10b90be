"""The embedded bus and time: age, retention, and clocks that are set back."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collectors.bus.contract import Lag, Partition, Position, Retention
from collectors.bus.embedded import EmbeddedBus
from tests.buses import Clock

TOPIC = "signals.school"
PLACE = Partition(TOPIC, 0)


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.fromtimestamp(1_000_000, UTC))


@pytest.fixture
def school(tmp_path: Path, clock: Clock) -> Iterator[EmbeddedBus]:
    with contextlib.closing(EmbeddedBus(tmp_path / "bus.db", clock=clock)) as bus:
        bus.create_topic(TOPIC, partitions=1, retention=Retention(seconds=100))
        yield bus


def send(bus: EmbeddedBus, value: bytes) -> None:
    with contextlib.closing(bus.producer()) as producer:
        producer.send(TOPIC, value)


def test_retention_by_time_keeps_what_is_young_enough(school: EmbeddedBus, clock: Clock) -> None:
    for number in range(10):
        send(school, b"%d" % number)
        clock.now += 20

    removed = school.enforce_retention()

    # the last was taken 20 s ago, that of 100 s ago is still kept
    assert removed == 5
    assert school.ends(TOPIC) == [(5, 10)]


def test_retention_by_time_waits_for_the_slowest_group_until_it_is_forgotten(
    school: EmbeddedBus, clock: Clock
) -> None:
    for number in range(3):
        send(school, b"%d" % number)
    with contextlib.closing(school.consumer("slow", "signals.")) as slow:
        slow.poll(1)
        slow.commit({PLACE: Position(1)})
    clock.now += 1000

    assert school.enforce_retention() == 1
    school.forget_group("slow")
    assert school.enforce_retention() == 2


def test_age_is_that_of_the_oldest_unread_record(school: EmbeddedBus, clock: Clock) -> None:
    send(school, b"0")
    clock.now += 30
    send(school, b"1")
    with contextlib.closing(school.consumer("g", "signals.")) as consumer:
        consumer.poll(1, limit=1)
        consumer.commit({PLACE: Position(1)})
        clock.now += 10

        assert consumer.lag() == {PLACE: Lag(1, 10.0)}
        assert school.group_lag() == {"g": Lag(1, 10.0)}


def test_times_within_a_log_never_fall_so_that_seeking_by_time_finds_its_place(
    school: EmbeddedBus, clock: Clock
) -> None:
    send(school, b"0")
    clock.now -= 500
    send(school, b"1")
    clock.now += 600
    send(school, b"2")

    with contextlib.closing(school.consumer("g", "signals.")) as consumer:
        times = [record.time for record in consumer.poll(1)]
        consumer.seek_time(PLACE, 1_000_050)
        found = [record.value for record in consumer.poll(1)]

    assert times == [1_000_000, 1_000_000, 1_000_100]
    assert found == [b"2"]


def test_a_lag_is_never_negative_when_the_clock_is_set_back(
    school: EmbeddedBus, clock: Clock
) -> None:
    send(school, b"0")
    with contextlib.closing(school.consumer("g", "signals.")) as consumer:
        consumer.poll(1)
        clock.now -= 500

        assert school.group_lag() == {"g": Lag(1, 0.0)}


def test_a_member_from_before_the_clock_was_set_back_is_dropped(
    tmp_path: Path, school: EmbeddedBus, clock: Clock
) -> None:
    with (
        contextlib.closing(school.consumer("g", "signals.")) as old,
        contextlib.closing(school.consumer("g", "signals.")) as new,
    ):
        old.poll(0)
        clock.now -= 5000

        new.poll(0)

        assert new.assigned() == {PLACE}
