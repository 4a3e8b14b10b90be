"""What every bus promises of records: order, keys, limits, and when a poll returns."""

import contextlib
import threading
import time
from collections import defaultdict
from typing import Any

import pytest

from collectors.bus.contract import (
    Bus,
    Malformed,
    Overloaded,
    Partition,
)
from tests.contract.bus_kit import collect, send, values, wait_for


def test_a_partition_keeps_the_order_of_its_records_and_counts_from_zero(
    bus: Bus, topic: str
) -> None:
    sent = [b"%d" % number for number in range(50)]
    send(bus, topic, *sent, partition=2)

    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        records = collect(consumer, 50)

    assert values(records) == sent
    assert [record.offset for record in records] == list(range(50))
    assert {record.partition for record in records} == {Partition(topic, 2)}
    assert records == sorted(records, key=lambda record: record.time)


def test_a_record_arrives_as_it_was_sent(bus: Bus, topic: str) -> None:
    value = bytes(range(256)) * 10
    with contextlib.closing(bus.producer()) as producer:
        producer.send(topic, value, key="clé", headers={"kind": "policy", "ü": '"quoted"\n'})
    before = time.time() - 60

    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        record = collect(consumer, 1)[0]

    assert (record.value, record.key) == (value, "clé")
    assert record.headers == {"kind": "policy", "ü": '"quoted"\n'}
    assert record.kind == "policy"
    assert before < record.time < time.time() + 60


def test_a_record_without_headers_holds_events(bus: Bus, topic: str) -> None:
    send(bus, topic, b"{}")

    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        assert collect(consumer, 1)[0].kind == "events"


def test_the_same_key_goes_to_the_same_partition_and_keys_spread(bus: Bus, topic: str) -> None:
    with contextlib.closing(bus.producer()) as producer:
        for number in range(200):
            producer.send(topic, b"{}", key=f"source-{number % 40}")

    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        records = collect(consumer, 200)

    places = defaultdict(set)
    for record in records:
        places[record.key].add(record.partition)
    assert all(len(partitions) == 1 for partitions in places.values())
    assert len({record.partition for record in records}) == 4


@pytest.mark.parametrize("partition", [-1, 4])
def test_a_partition_that_does_not_exist_is_refused(bus: Bus, topic: str, partition: int) -> None:
    with contextlib.closing(bus.producer()) as producer, pytest.raises(Malformed):
        producer.send(topic, b"{}", partition=partition)


def test_a_value_over_one_mebibyte_is_refused_and_one_of_that_size_is_not(
    bus: Bus, topic: str
) -> None:
    with contextlib.closing(bus.producer()) as producer:
        with pytest.raises(Malformed, match="1,048,577"):
            producer.send(topic, b"x" * 1_048_577, partition=0)
        producer.send(topic, b"x" * 1_048_576, partition=0)

    assert bus.ends(topic)[0] == (0, 1)


@pytest.mark.parametrize("text", ["\ud800", "k" * 1001])
def test_a_key_that_is_no_text_or_too_long_is_refused(bus: Bus, topic: str, text: str) -> None:
    with contextlib.closing(bus.producer()) as producer, pytest.raises(Malformed):
        producer.send(topic, b"{}", key=text)


def test_a_full_buffer_is_an_overload_that_a_flush_ends(bus_adapter: Any, topic: str) -> None:
    with (
        contextlib.closing(bus_adapter.open(buffer_bytes=100_000)) as small,
        contextlib.closing(small.producer()) as producer,
    ):
        for _ in range(11):
            producer.send(topic, b"x" * 9_000, partition=0)
        with pytest.raises(Overloaded):
            producer.send(topic, b"x" * 9_000, partition=0)
        producer.flush()
        producer.send(topic, b"x" * 9_000, partition=0)
        producer.flush()

        assert small.ends(topic)[0] == (0, 12)


def test_poll_returns_no_more_than_asked_and_loses_none(bus: Bus, topic: str) -> None:
    for partition in range(4):
        send(bus, topic, *[b"%d" % number for number in range(25)], partition=partition)
    found: dict[int, list[bytes]] = defaultdict(list)

    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        while sum(map(len, found.values())) < 100:
            records = consumer.poll(5, limit=7)
            assert 0 < len(records) <= 7
            for record in records:
                found[record.partition.number].append(record.value)

    assert all(found[number] == [b"%d" % i for i in range(25)] for number in range(4))


def test_a_busy_partition_does_not_hold_up_the_others(bus: Bus, topic: str) -> None:
    send(bus, topic, *[b"flood"] * 2000, partition=0)
    send(bus, topic, b"quiet", partition=3)

    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        wait_for(consumer.assigned, consumer)
        consumer.seek(Partition(topic, 0), 0)
        consumer.seek(Partition(topic, 3), 0)
        first = [record for _ in range(3) for record in consumer.poll(1, limit=100)]

    assert b"quiet" in values(first)


def test_large_records_come_in_batches_of_bounded_size(bus: Bus, topic: str) -> None:
    with contextlib.closing(bus.producer()) as producer:
        for _ in range(40):
            producer.send(topic, b"x" * 1_000_000, partition=0)
            producer.flush()

    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        wait_for(consumer.assigned, consumer)
        consumer.seek(Partition(topic, 0), 0)
        sizes = []
        while sum(sizes) < 40:
            sizes.append(len(consumer.poll(5)))

    assert max(sizes) <= 20


def test_poll_waits_no_longer_than_it_may(bus: Bus, topic: str) -> None:
    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        wait_for(consumer.assigned, consumer)
        start = time.monotonic()

        assert list(consumer.poll(0.1)) == []

        assert 0.09 < time.monotonic() - start < 5


def test_poll_returns_as_soon_as_something_comes(bus: Bus, topic: str) -> None:
    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        wait_for(consumer.assigned, consumer)
        sender = threading.Timer(0.05, send, (bus, topic, b"now"))
        sender.start()
        start = time.monotonic()

        records = consumer.poll(30)
        sender.join()

    assert values(records) == [b"now"]
    assert time.monotonic() - start < 10
