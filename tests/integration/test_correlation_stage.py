"""The correlation stage on the embedded bus: which alerts come of which signals."""

import contextlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collectors.bus.contract import Malformed, Overloaded, Partition, Record
from collectors.bus.embedded import EmbeddedBus
from detection.alert import Alert, alert_id
from detection.correlation import Correlation
from detection.policy import State
from detection.signal import Entity
from tests.integration.correlation_kit import (
    HOST,
    START,
    correlate,
    final,
    put,
    send,
    sent,
    signal,
)
from tests.rule_sets import Sets


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
