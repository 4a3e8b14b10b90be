"""The correlation stage counts once what comes again, and goes on counting after a restart."""

from datetime import timedelta
from pathlib import Path

from collectors.bus.embedded import EmbeddedBus
from collectors.event import timestamp
from detection.signal import Entity, Place
from tests.buses import Clock
from tests.integration.correlation_kit import (
    START,
    correlate,
    final,
    send,
    sent,
    signal,
)


def test_what_detection_sends_again_is_counted_once(bus: EmbeddedBus, tmp_path: Path) -> None:
    send(bus, signal(1), signal(2))
    send(bus, signal(3))
    send(bus, signal(2))
    send(bus, signal(3), signal(4))

    correlate(bus, tmp_path)

    assert [alert.count for alert in final(bus)] == [4]


def test_what_detection_sends_again_days_later_is_still_counted_once(
    bus: EmbeddedBus, tmp_path: Path, clock: Clock
) -> None:
    send(bus, signal(1), signal(2))
    clock.go(days=3)
    send(bus, signal(2))

    correlate(bus, tmp_path)

    assert [alert.count for alert in final(bus)] == [2]


def test_what_a_sender_sends_again_within_a_day_is_counted_once(
    bus: EmbeddedBus, tmp_path: Path, clock: Clock
) -> None:
    send(bus, signal(1))
    clock.go(hours=23)
    again = timestamp(START + timedelta(hours=23))
    send(bus, signal(1, place=Place(3, 50, 0), received=again))
    clock.go(hours=2)
    much_later = timestamp(START + timedelta(hours=25))
    send(bus, signal(1, place=Place(3, 90, 0), received=much_later))

    correlate(bus, tmp_path)

    assert [alert.count for alert in final(bus)] == [2]


def test_a_restart_goes_on_counting_where_it_was(bus: EmbeddedBus, tmp_path: Path) -> None:
    for number in range(10):
        send(bus, signal(number), signal(3, place=Place(1, number, 0)))
        correlate(bus, tmp_path)

    assert [alert.count for alert in final(bus)] == [10]
    # nothing is said twice, and the fourth record (offset 3) brought nothing new
    assert [alert.revision for alert in sent(bus)] == [1, 2, 3, *range(5, 11)]


def test_losing_the_scratch_file_loses_nothing(bus: EmbeddedBus, tmp_path: Path) -> None:
    send(bus, signal(1))
    correlate(bus, tmp_path)
    assert not (tmp_path / "seen.sqlite").exists()
    (tmp_path / "seen.sqlite").write_bytes(b"left by a crash")
    send(bus, signal(1, place=Place(1, 9, 0)), signal(2))

    correlate(bus, tmp_path)

    assert [alert.count for alert in final(bus)] == [2]


def test_a_restart_days_later_still_knows_an_alert_that_may_grow(
    bus: EmbeddedBus, tmp_path: Path, clock: Clock
) -> None:
    send(bus, signal(1))
    for day in range(1, 7):
        clock.go(days=1)
        at = START + timedelta(days=day)
        send(bus, signal(100 + day, at, entity=Entity("host", "other"), received=timestamp(at)))
        correlate(bus, tmp_path)
    late = timestamp(START + timedelta(days=6))
    send(bus, signal(200, received=late))

    correlate(bus, tmp_path)

    counts = {(alert.entity.name, alert.hour[:10]): alert.count for alert in final(bus)}
    assert counts["ws-014", "2026-11-24"] == 2


def test_what_comes_more_than_a_week_late_is_an_alert_of_its_own(
    bus: EmbeddedBus, tmp_path: Path, clock: Clock
) -> None:
    send(bus, signal(1))
    clock.go(days=8)
    received = timestamp(START + timedelta(days=8))
    send(bus, signal(2, received=received), signal(3, received=received))

    correlate(bus, tmp_path)

    alerts = final(bus)
    assert sorted(alert.count for alert in alerts) == [1, 2]
    assert {alert.hour for alert in alerts} == {"2026-11-24T13"}
