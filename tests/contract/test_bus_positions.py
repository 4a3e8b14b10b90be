"""What every bus promises of positions: commits, notes, seeking, pausing and lag."""

import contextlib
import time
import uuid

import pytest

from collectors.bus.contract import (
    Bus,
    Malformed,
    Partition,
    Position,
    Retention,
)
from tests.contract.bus_kit import collect, commit, send, values, wait_for


def test_what_was_not_committed_comes_again(bus: Bus, topic: str) -> None:
    send(bus, topic, b"0", b"1", b"2")
    with contextlib.closing(bus.consumer("g", topic)) as first:
        records = collect(first, 3)
        commit(first, records[:2], "as far as 1")

    with contextlib.closing(bus.consumer("g", topic)) as second:
        again = collect(second, 1)
        position = second.committed(Partition(topic, 0))

    assert values(again) == [b"2"]
    assert position == Position(2, "as far as 1")


def test_nothing_is_committed_before_the_first_commit(bus: Bus, topic: str) -> None:
    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        assert consumer.committed(Partition(topic, 0)) is None


def test_a_note_of_a_thousand_characters_is_kept_and_one_more_is_malformed(
    bus: Bus, topic: str
) -> None:
    place = Partition(topic, 0)
    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        wait_for(consumer.assigned, consumer)
        consumer.commit({place: Position(0, "ü" * 1000)})

        with pytest.raises(Malformed, match="1,001"):
            consumer.commit({place: Position(0, "x" * 1001)})
        with pytest.raises(Malformed):
            consumer.commit({place: Position(0, "\udfff")})

        assert consumer.committed(place) == Position(0, "ü" * 1000)


def test_every_group_reads_everything(bus: Bus, topic: str) -> None:
    send(bus, topic, b"0", b"1")

    for group in ("detection", "indexer"):
        with contextlib.closing(bus.consumer(group, topic)) as consumer:
            records = collect(consumer, 2)
            commit(consumer, records)
            assert values(records) == [b"0", b"1"]


def test_a_prefix_takes_in_topics_made_later_and_no_others(bus: Bus) -> None:
    prefix = f"e{uuid.uuid4().hex[:8]}."
    bus.create_topic(f"{prefix}a", partitions=1, retention=Retention())
    bus.create_topic(f"x{prefix}a", partitions=1, retention=Retention())
    with contextlib.closing(bus.consumer("g", prefix)) as consumer:
        wait_for(consumer.assigned, consumer)
        bus.create_topic(f"{prefix}b", partitions=2, retention=Retention())
        send(bus, f"{prefix}b", b"late", partition=1)
        send(bus, f"x{prefix}a", b"other")

        assert values(collect(consumer, 1)) == [b"late"]
        assert consumer.assigned() == {
            Partition(f"{prefix}a", 0),
            Partition(f"{prefix}b", 0),
            Partition(f"{prefix}b", 1),
        }


def test_a_paused_partition_is_silent_until_it_is_resumed(bus: Bus, topic: str) -> None:
    place = Partition(topic, 1)
    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        wait_for(consumer.assigned, consumer)
        consumer.pause([place])
        send(bus, topic, b"paused", partition=1)
        send(bus, topic, b"going", partition=2)

        assert values(collect(consumer, 1)) == [b"going"]
        assert list(consumer.poll(0.2)) == []
        assert place in consumer.assigned()
        assert consumer.lag()[place].records == 1

        consumer.resume([place])
        assert values(collect(consumer, 1)) == [b"paused"]


def test_seek_reads_on_from_an_offset_within_the_log(bus: Bus, topic: str) -> None:
    place = Partition(topic, 0)
    send(bus, topic, b"0", b"1", b"2")
    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        collect(consumer, 3)

        consumer.seek(place, 1)
        assert values(collect(consumer, 2)) == [b"1", b"2"]

        consumer.seek(place, -5)
        assert values(collect(consumer, 3)) == [b"0", b"1", b"2"]

        consumer.seek(place, 99)
        send(bus, topic, b"3")
        assert values(collect(consumer, 1)) == [b"3"]


def test_seek_time_reads_on_from_the_first_record_taken_then_or_later(bus: Bus, topic: str) -> None:
    place = Partition(topic, 0)
    for value in (b"0", b"1", b"2", b"3"):
        send(bus, topic, value)
        taken = time.time()
        wait_for(lambda taken=taken: time.time() > taken + 0.002)
    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        records = collect(consumer, 4)

        consumer.seek_time(place, records[2].time)
        assert values(collect(consumer, 2)) == [b"2", b"3"]

        consumer.seek_time(place, 0)
        assert values(collect(consumer, 4)) == [b"0", b"1", b"2", b"3"]

        consumer.seek_time(place, records[3].time + 1)
        send(bus, topic, b"4")
        assert values(collect(consumer, 1)) == [b"4"]


def test_seeking_a_partition_that_is_not_assigned_is_a_mistake(bus: Bus, topic: str) -> None:
    with (
        contextlib.closing(bus.consumer("g", topic)) as consumer,
        pytest.raises(ValueError, match="assigned"),
    ):
        consumer.seek(Partition(topic, 0), 0)


def test_lag_counts_what_is_unread_and_how_old_it_is(bus: Bus, topic: str) -> None:
    place = Partition(topic, 0)
    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        wait_for(consumer.assigned, consumer)
        send(bus, topic, b"0", b"1", b"2")

        before = consumer.lag()[place]
        commit(consumer, collect(consumer, 3))
        after = consumer.lag()

    assert before.records == 3
    assert 0 <= before.oldest_seconds < 60
    assert {lag.records for lag in after.values()} == {0}
    assert {lag.oldest_seconds for lag in after.values()} == {0}
    assert len(after) == 4


def test_group_lag_is_counted_from_what_a_group_has_committed(bus: Bus, topic: str) -> None:
    send(bus, topic, b"0", b"1", b"2")
    send(bus, topic, b"3", partition=1)
    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        collect(consumer, 4)
        consumer.commit({Partition(topic, 0): Position(2)})

        lag = bus.group_lag()["g"]

    assert lag.records == 2
    assert lag.oldest_seconds >= 0


def test_those_who_watch_see_where_a_group_is(bus: Bus, topic: str) -> None:
    send(bus, topic, b"0", b"1")
    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        commit(consumer, collect(consumer, 2), "note")

    assert bus.positions("g") == {Partition(topic, 0): Position(2, "note")}
    assert bus.positions("nobody") == {}
