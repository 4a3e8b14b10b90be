"""What every bus promises of topics: growth, removal and retention."""

import contextlib
import uuid

import pytest

from collectors.bus.contract import (
    Bus,
    NoTopic,
    Partition,
    Position,
    Retention,
)
from tests.contract.bus_kit import collect, commit, send, values, wait_for


def test_a_topic_that_does_not_exist_is_refused_until_it_does(bus: Bus) -> None:
    name = f"events.t{uuid.uuid4().hex[:12]}"
    with contextlib.closing(bus.producer()) as producer:
        with pytest.raises(NoTopic, match=name):
            producer.send(name, b"{}")

        bus.create_topic(name, partitions=1, retention=Retention())
        producer.send(name, b"{}")
        producer.flush()

        assert bus.ends(name) == [(0, 1)]


def test_a_topic_grows_and_never_shrinks(bus: Bus, topic: str) -> None:
    send(bus, topic, b"kept")

    bus.create_topic(topic, partitions=6, retention=Retention())
    send(bus, topic, b"new", partition=5)
    bus.create_topic(topic, partitions=1, retention=Retention())

    assert bus.topics()[topic] == 6
    assert bus.ends(topic) == [(0, 1), (0, 0), (0, 0), (0, 0), (0, 0), (0, 1)]


def test_a_deleted_topic_is_gone_with_its_positions_and_may_come_again(
    bus: Bus, topic: str
) -> None:
    send(bus, topic, b"0", b"1")
    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        commit(consumer, collect(consumer, 2))

        bus.delete_topic(topic)
        wait_for(lambda: not consumer.assigned(), consumer)
        assert topic not in bus.topics()
        assert list(bus.ends(topic)) == []

        bus.create_topic(topic, partitions=1, retention=Retention())
        send(bus, topic, b"again")
        record = collect(consumer, 1)[0]

    assert (record.offset, record.value) == (0, b"again")


def test_deleting_an_unknown_topic_is_ignored(bus: Bus) -> None:
    bus.delete_topic("events.nobody")


def test_what_is_sent_to_a_topic_deleted_before_the_flush_goes_with_it(
    bus: Bus, topic: str
) -> None:
    bus.create_topic(f"{topic}b", partitions=1, retention=Retention())
    with contextlib.closing(bus.producer()) as producer:
        producer.send(topic, b"gone", partition=0)
        producer.send(f"{topic}b", b"kept", partition=0)
        bus.delete_topic(topic)
        producer.flush()

    assert bus.ends(f"{topic}b") == [(0, 1)]


def test_retention_by_size_removes_the_oldest_of_what_everyone_has_read(
    bus: Bus, topic: str
) -> None:
    bus.create_topic(topic, partitions=4, retention=Retention(seconds=None, bytes=4 * 3000))
    send(bus, topic, *[b"x" * 1000] * 10)
    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        collect(consumer, 10)
        consumer.commit({Partition(topic, 0): Position(4)})

        assert bus.enforce_retention() == 4
        assert bus.ends(topic)[0] == (4, 10)

        consumer.commit({Partition(topic, 0): Position(10)})
        assert bus.enforce_retention() == 3
        assert bus.ends(topic)[0] == (7, 10)
        assert bus.enforce_retention() == 0


def test_retention_waits_for_a_group_that_has_joined_and_committed_nothing(
    bus: Bus, topic: str
) -> None:
    bus.create_topic(topic, partitions=4, retention=Retention(seconds=None, bytes=0))
    send(bus, topic, b"0", b"1")
    bus.consumer("slow", topic).close()
    with contextlib.closing(bus.consumer("quick", topic)) as quick:
        commit(quick, collect(quick, 2))

        assert bus.enforce_retention() == 0

    with contextlib.closing(bus.consumer("slow", topic)) as slow:
        assert values(collect(slow, 2)) == [b"0", b"1"]


def test_what_retention_has_removed_is_not_counted_and_seeks_begin_after_it(
    bus: Bus, topic: str
) -> None:
    place = Partition(topic, 0)
    bus.create_topic(topic, partitions=4, retention=Retention(seconds=None, bytes=4 * 2))
    send(bus, topic, b"0", b"1", b"2", b"3")
    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        commit(consumer, collect(consumer, 4))
        bus.enforce_retention()

        consumer.seek(place, 0)
        assert consumer.lag()[place].records == 2
        assert values(collect(consumer, 2)) == [b"2", b"3"]
        consumer.seek_time(place, 0)
        assert values(collect(consumer, 2)) == [b"2", b"3"]
