"""The indexer between a real embedded bus and a real embedded store."""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from collectors.bus.contract import Bus, Overloaded, Record, Retention
from collectors.bus.embedded import EmbeddedBus
from tenants.indexer import Indexer
from tenants.store.contract import EventStore
from tenants.store.embedded import EmbeddedStore
from tests.contract.store_kit import event, found, numbers

TOPICS = ("events.council", "events.school", "dead.council", "dead.school")


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    with closing(EmbeddedBus(tmp_path / "bus.db")) as opened:
        for topic in TOPICS:
            opened.create_topic(topic, partitions=1, retention=Retention())
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    with closing(EmbeddedStore(tmp_path / "store")) as opened:
        yield opened


def send(bus: Bus, topic: str, value: bytes, kind: str = "events") -> None:
    with closing(bus.producer()) as producer:
        producer.send(topic, value, headers={"kind": kind}, partition=0)


def read(bus: Bus, topics: str) -> Sequence[Record]:
    with closing(bus.consumer("reader", topics)) as consumer:
        return consumer.poll(5.0)


def dead(bus: Bus) -> list[dict[str, Any]]:
    ends = [bus.ends(topic)[0][1] for topic in TOPICS if topic.startswith("dead.")]
    return [json.loads(record.value) for record in read(bus, "dead.")] if any(ends) else []


def index(bus: Bus, store: EventStore, records: Sequence[Record]) -> None:
    indexer = Indexer(bus, store)
    with ExitStack() as stack:
        stack.callback(indexer.close)
        indexer.handle(records)
        indexer.flush()


def test_events_reach_the_store_of_their_own_tenant(bus: Bus, store: EventStore) -> None:
    send(bus, "events.council", b"\n".join(event(number).line for number in range(3)) + b"\n")
    send(bus, "events.school", event(9, tenant="school").line)

    index(bus, store, read(bus, "events."))

    assert numbers(found(store.bind("council"))) == [2, 1, 0]
    assert numbers(found(store.bind("school"))) == [9]
    assert dead(bus) == []


def test_redelivered_records_change_nothing(bus: Bus, store: EventStore) -> None:
    send(bus, "events.council", b"\n".join(event(number).line for number in range(3)))
    records = read(bus, "events.")

    for _ in range(3):
        index(bus, store, records)

    assert numbers(found(store.bind("council"))) == [2, 1, 0]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"no JSON at all", "no event: Expecting value"),
        (b'{"a":1}', "soc"),
        (b'{"soc":[]}', "soc"),
        (event(5).line.replace(b'"v":1', b'"v":9'), "version 9"),
        (event(5, tenant="school").line, "council"),
        (event(5).line.replace(event(5).id.encode(), b"ABC"), "32 hex digits"),
        (event(5).line.replace(b"T13:", b"T99:", 1), "hour"),
    ],
)
def test_a_line_that_is_no_event_is_set_aside_and_the_others_are_kept(
    bus: Bus, store: EventStore, line: bytes, reason: str
) -> None:
    send(bus, "events.council", b"\n".join((event(1).line, line, event(2).line)))

    index(bus, store, read(bus, "events."))

    assert numbers(found(store.bind("council"))) == [2, 1]
    (letter,) = dead(bus)
    assert (letter["line"], letter["stage"]) == (1, "indexer")
    assert letter["text"].encode() == line
    assert reason in letter["reason"]


def test_what_only_the_lenient_decoder_reads_is_stored_too(bus: Bus, store: EventStore) -> None:
    line = b'{"text":"\\ud800","x":NaN,' + event(1, {}).line[1:]
    send(bus, "events.council", line)

    index(bus, store, read(bus, "events."))

    (stored,) = found(store.bind("council"))
    assert (stored["text"], stored["x"]) == ("\ud800", "NaN")


def test_records_of_another_kind_are_passed_over(bus: Bus, store: EventStore) -> None:
    send(bus, "events.council", b'{"tenant":"council"}', kind="policy")

    index(bus, store, read(bus, "events."))

    assert found(store.bind("council")) == []
    assert dead(bus) == []


def test_what_an_overloaded_store_did_not_take_is_kept_for_the_next_flush(
    bus: Bus, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(bus, "events.council", b"\n".join(event(number).line for number in range(3)))
    indexer = Indexer(bus, store)
    indexer.handle(read(bus, "events."))
    monkeypatch.setattr(EmbeddedStore, "bind", overloaded)
    with pytest.raises(Overloaded):
        indexer.flush()
    monkeypatch.undo()

    indexer.flush()
    indexer.close()

    assert numbers(found(store.bind("council"))) == [2, 1, 0]


def overloaded(store: EventStore, tenant: str) -> None:
    raise Overloaded("the disk is full")
