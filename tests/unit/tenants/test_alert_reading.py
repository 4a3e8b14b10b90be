"""Alerts from the bus: read whole, or set aside with a reason while the rest goes on."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collectors.bus.contract import Partition, Record, Retention
from collectors.bus.embedded import EmbeddedBus
from detection.alert import Alert
from tenants.access import Principal
from tenants.database import Database
from tenants.triage.desk import Desk
from tenants.triage.intake import Intake
from tenants.triage.reading import read_alert

Make = Callable[..., Alert]


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[EmbeddedBus]:
    with contextlib.closing(EmbeddedBus(tmp_path / "bus.sqlite")) as opened:
        for tenant in ("school", "council"):
            opened.create_topic(f"dead.{tenant}", partitions=1, retention=Retention())
        yield opened


def take_records(database: Database, bus: EmbeddedBus, *records: Record) -> None:
    """What the stage's loop does with a batch."""
    with contextlib.closing(bus.producer()) as producer:
        intake = Intake(database, producer)
        intake.handle(records)
        intake.flush()


def dead_letters(bus: EmbeddedBus) -> list[tuple[str, dict[str, Any]]]:
    with contextlib.closing(bus.consumer("reader", "dead.")) as consumer:
        found = consumer.poll(5.0)
    return [(one.partition.topic, msgspec.json.decode(one.value)) for one in found]


def record(*lines: bytes, tenant: str = "school") -> Record:
    return Record(
        partition=Partition(f"alerts.{tenant}", 0), offset=7, time=0, value=b"\n".join(lines)
    )


def test_what_is_written_is_read(make_alert: Make) -> None:
    alert = make_alert(count=3)

    assert read_alert(msgspec.json.encode(alert), "school") == alert


def test_lone_surrogates_and_nul_are_replaced_but_bodies_stay(make_alert: Make) -> None:
    line = msgspec.json.encode(make_alert(count=1))
    line = line.replace(b"Title of", rb"\ud800 \u0000 \\ud800").replace(
        b'{"EventID":0}', rb'{"Image":"\udc00\u0000"}'
    )

    alert = read_alert(line, "school")

    assert alert.title == "? \ufffd \\ud800 burst"
    assert [bytes(body) for body in alert.bodies] == [rb'{"Image":"\udc00\u0000"}']


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((b'"v":1', b'"v":2'), "version 1, got 2"),
        ((b'"tenant":"school"', b'"tenant":"council"'), "one of 'council'"),
        ((b'"revision":1', b'"revision":"1"'), "revision"),
        ((b'"id":"', b'"id":"x'), "32 hex digits"),
        ((b"{", b"[{"), "delimiter"),
        ((b"{", b"7"), "."),
        ((b'"count":1', b'"counts":1'), "count"),
        ((b'"count":1', b'"count":%d' % 2**63), "0 to"),
        ((b'"revision":1', b'"revision":%d' % 2**70), "revision"),
        ((b'"revision":1', b'"revision":-1'), "0 to"),
    ],
)
def test_what_is_no_alert_of_the_tenant_is_refused(
    make_alert: Make, change: tuple[bytes, bytes], reason: str
) -> None:
    line = msgspec.json.encode(make_alert())

    with pytest.raises(ValueError, match=reason):
        read_alert(line.replace(*change, 1), "school")


def test_a_bad_line_is_set_aside_and_the_others_are_taken(
    database: Database, bus: EmbeddedBus, kim: Principal, make_alert: Make
) -> None:
    good = [msgspec.json.encode(make_alert(rule)) for rule in ("a", "b")]

    take_records(database, bus, record(good[0], b"no alert", b"", good[1]))

    assert {item.rule for item in Desk(database, kim).list().items} == {"a", "b"}
    ((topic, letter),) = dead_letters(bus)
    assert topic == "dead.school"
    assert (letter["stage"], letter["offset"], letter["line"]) == ("triage", 7, 1)
    assert letter["text"] == "no alert"


def test_an_alert_on_another_tenants_topic_goes_to_nobodys_queue(
    database: Database, bus: EmbeddedBus, kim: Principal, make_alert: Make
) -> None:

    line = msgspec.json.encode(make_alert(tenant="school"))

    take_records(database, bus, record(line, tenant="council"))

    assert not Desk(database, kim).list().items
    assert [topic for topic, _ in dead_letters(bus)] == ["dead.council"]
