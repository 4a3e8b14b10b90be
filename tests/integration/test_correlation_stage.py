"""The correlation stage on the embedded bus: which alerts come of which signals."""

import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collectors.bus.contract import Malformed, Overloaded, Partition, Record, Retention
from collectors.bus.embedded import EmbeddedBus
from collectors.bus.loop import run
from collectors.event import timestamp
from detection.alert import Alert, alert_id
from detection.correlation import Correlation
from detection.policy import State
from detection.signal import Entity, Place, Signal, signal_id
from tests.rule_sets import Sets

START = datetime(2026, 11, 24, 13, 10, tzinfo=UTC)
HOST = Entity("host", "ws-014")


class Clock:
    """The bus's time."""

    def __init__(self) -> None:
        self.now = START.timestamp()

    def __call__(self) -> float:
        return self.now

    def go(self, **span: float) -> None:
        self.now += timedelta(**span).total_seconds()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bus(tmp_path: Path, clock: Clock) -> Iterator[EmbeddedBus]:
    with contextlib.closing(EmbeddedBus(tmp_path / "bus.db", clock=clock)) as opened:
        for tenant in ("council", "school"):
            for kind in ("signals", "alerts", "dead"):
                opened.create_topic(f"{kind}.{tenant}", partitions=1, retention=Retention())
        yield opened


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


def test_a_signal_becomes_an_alert_that_carries_its_event(bus: EmbeddedBus, tmp_path: Path) -> None:
    send(
        bus,
        signal(
            1,
            related={"host": ["ws-014"]},
            marks=("sender_unproven",),
            context={"add_asset": {"owner": "Office"}},
        ),
    )

    correlate(bus, tmp_path)

    (alert,) = sent(bus)
    assert [bytes(body) for body in alert.bodies] == [b'{"number":1}']
    assert msgspec.structs.replace(alert, bodies=()) == Alert(
        id=alert_id("school", "r1", HOST, "2026-11-24T13"),
        revision=1,
        tenant="school",
        rule="r1",
        title="Title",
        level="high",
        ruleset="rules-1",
        entity=HOST,
        hour="2026-11-24T13",
        count=1,
        first="2026-11-24T13:10:00.000000Z",
        last="2026-11-24T13:10:00.000000Z",
        received="2026-11-24T13:10:00.000000Z",
        related={"host": ["ws-014"]},
        marks=("sender_unproven",),
        context={"add_asset": {"owner": "Office"}},
        sources=("web-1",),
        events=(f"{1:032x}",),
    )


def test_repeats_within_an_hour_are_one_alert_with_exact_count_first_and_last(
    bus: EmbeddedBus, tmp_path: Path
) -> None:
    minutes = (20, 5, 49, 30)
    send(
        bus,
        *[signal(n, START.replace(minute=m), source=f"s{n}") for n, m in enumerate(minutes)],
    )

    correlate(bus, tmp_path)

    (alert,) = sent(bus)
    assert alert.count == 4
    assert (alert.first[11:16], alert.last[11:16]) == ("13:05", "13:49")
    assert alert.sources == ("s0", "s1", "s2", "s3")


@pytest.mark.parametrize(
    "other",
    [
        {"rule": "r2"},
        {"entity": Entity("user", "ws-014")},
        {"entity": Entity("host", "ws-015")},
        {"at": START + timedelta(hours=1)},
    ],
    ids=["rule", "kind", "name", "hour"],
)
def test_another_rule_entity_or_hour_is_another_alert(
    bus: EmbeddedBus, tmp_path: Path, other: dict[str, Any]
) -> None:
    send(bus, signal(1), signal(2, **other))

    correlate(bus, tmp_path)

    assert [alert.count for alert in final(bus)] == [1, 1]


def test_an_alert_is_sent_at_the_first_match_and_amended_with_absolute_counts(
    bus: EmbeddedBus, tmp_path: Path
) -> None:
    send(bus, signal(1))
    correlate(bus, tmp_path)
    send(bus, signal(2))
    send(bus, signal(3), signal(4))
    correlate(bus, tmp_path)

    assert [(alert.revision, alert.count) for alert in sent(bus)] == [(1, 1), (3, 4)]


def test_quiet_signals_make_no_alert(bus: EmbeddedBus, tmp_path: Path) -> None:
    send(bus, signal(1, state=State.SIGNAL))

    correlate(bus, tmp_path)

    assert sent(bus) == []


def test_tenants_do_not_share_an_alert(bus: EmbeddedBus, tmp_path: Path) -> None:
    send(bus, signal(1))
    send(bus, signal(1, tenant="council"), signal(2, tenant="council"), tenant="council")

    correlate(bus, tmp_path)

    assert [alert.count for alert in final(bus, "school")] == [1]
    assert [alert.count for alert in final(bus, "council")] == [2]
    assert {alert.tenant for alert in sent(bus, "council")} == {"council"}


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


def test_an_alert_whose_first_event_came_late_is_marked(bus: EmbeddedBus, tmp_path: Path) -> None:
    at = START - timedelta(hours=3)
    send(bus, signal(1, at), signal(2))

    correlate(bus, tmp_path)

    assert [alert.marks for alert in final(bus)] == [("late",), ()]


def test_a_flood_is_one_alert_that_carries_a_bounded_part_of_it(
    bus: EmbeddedBus, tmp_path: Path
) -> None:
    body = msgspec.Raw(b'{"x":"' + b"y" * 9_000 + b'"}')
    for start in range(0, 3000, 30):
        send(
            bus,
            *[
                signal(n, body=body, source=f"s{n}", related={"ip": [f"10.0.{n // 250}.{n % 250}"]})
                for n in range(start, start + 30)
            ],
        )

    correlate(bus, tmp_path)

    (alert,) = final(bus)
    assert alert.count == 3000
    assert len(alert.events) == len(alert.bodies) == 20
    assert sum(len(bytes(each)) for each in alert.bodies) < 70_000
    # what is left out leaves a null, so that the rest stands beside its id
    assert bytes(alert.bodies[-1]) == b"null"
    assert len(alert.related["ip"]) == 50
    assert len(alert.sources) == 20


def test_memory_is_bounded_and_what_is_forgotten_has_been_sent(
    bus: EmbeddedBus, tmp_path: Path
) -> None:
    send(bus, *[signal(n, entity=Entity("host", f"h{n:04}")) for n in range(1000)])

    correlate(bus, tmp_path, memory=100_000)

    assert [alert.count for alert in final(bus)] == [1] * 1000


@pytest.mark.parametrize(
    "line",
    [
        b"no json",
        b"{}",
        b"\xff",
        msgspec.json.encode(signal(1, tenant="council")),
        msgspec.json.encode(signal(1, v=2)),
        msgspec.json.encode(signal(1, time="yesterday")),
        msgspec.json.encode(signal(1, received="2026-11-24T25:10:00.000000Z")),
        msgspec.json.encode(signal(1, id="no id")),
    ],
    ids=range(8),
)
def test_a_line_that_is_no_signal_is_set_aside_once_and_the_others_go_on(
    bus: EmbeddedBus, tmp_path: Path, line: bytes
) -> None:
    put(bus, b"\n".join([msgspec.json.encode(signal(0)), line, msgspec.json.encode(signal(3))]))

    correlate(bus, tmp_path)
    send(bus, signal(4))
    correlate(bus, tmp_path)

    assert [alert.count for alert in final(bus)] == [3]
    assert bus.ends("dead.school") == [(0, 1)]


def test_a_full_disk_is_an_overload_after_which_counts_are_still_exact(
    bus: EmbeddedBus, tmp_path: Path
) -> None:
    signals = [signal(n, entity=Entity("host", f"h{n % 7}")) for n in range(3000)]
    for start in range(0, 3000, 500):
        send(bus, *signals[start : start + 500])
    with contextlib.closing(Correlation(bus, tmp_path / "seen.sqlite", Sets())) as stage:
        consumer = bus.consumer(
            "correlation",
            "signals.",
            on_assigned=lambda partitions: stage.assigned(
                consumer, dict.fromkeys(partitions, None)
            ),
        )
        with contextlib.closing(consumer):
            records = consumer.poll(5)
            stage._seen._connection.execute("PRAGMA max_page_count = 20")
            with pytest.raises(Overloaded):
                stage.handle(records)
            stage._seen._connection.execute("PRAGMA max_page_count = 100000")
            stage.handle(records)
            stage.flush()

    assert sum(alert.count for alert in final(bus)) == 3000


def test_a_record_of_another_kind_is_malformed(bus: EmbeddedBus, tmp_path: Path) -> None:
    with contextlib.closing(Correlation(bus, tmp_path / "seen.sqlite", Sets())) as stage:
        record = Record(
            partition=Partition("signals.school", 0), offset=0, time=0, headers={"kind": "policy"}
        )

        with pytest.raises(Malformed, match="policy"):
            stage.handle([record])
