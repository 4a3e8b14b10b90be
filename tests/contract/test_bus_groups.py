"""What every bus promises of groups: a fair share, and hand-over without loss."""

import contextlib
import itertools
import threading
import time
from typing import Any

import pytest

from collectors.bus.contract import (
    Bus,
    Consumer,
    Overloaded,
    Partition,
    Position,
    Record,
)
from tests.contract.bus_kit import collect, commit, send, values, wait_for

LEASE = 0.3


def collect_again(consumer: Consumer, place: Partition) -> list[Record]:
    consumer.seek(place, 0)
    return collect(consumer, 3)


def test_two_members_share_the_partitions_and_the_last_one_gets_them_all(
    bus: Bus, topic: str
) -> None:
    with contextlib.closing(bus.consumer("g", topic)) as first:
        wait_for(lambda: len(first.assigned()) == 4, first)
        second = bus.consumer("g", topic)

        wait_for(lambda: len(first.assigned()) == len(second.assigned()) == 2, first, second)
        assert not first.assigned() & second.assigned()

        second.close()
        wait_for(lambda: len(first.assigned()) == 4, first)


def test_more_members_than_partitions_leave_some_idle(bus: Bus, topic: str) -> None:
    with contextlib.ExitStack() as closing:
        members = [
            closing.enter_context(contextlib.closing(bus.consumer("g", topic))) for _ in "12345"
        ]

        wait_for(
            lambda: sorted(len(member.assigned()) for member in members) == [0, 1, 1, 1, 1],
            *members,
        )


def test_the_old_owner_commits_in_on_revoked_and_the_new_one_goes_on_there(
    bus: Bus, topic: str
) -> None:
    for partition in range(4):
        send(bus, topic, b"0", b"1", partition=partition)
    events: list[tuple[str, frozenset[Partition]]] = []

    def revoked(partitions: frozenset[Partition]) -> None:
        events.append(("revoked", partitions))
        first.commit({partition: Position(1, "handed over") for partition in partitions})

    def assigned(partitions: frozenset[Partition]) -> None:
        events.append(("assigned", partitions))
        assert {second.committed(partition) for partition in partitions} == {
            Position(1, "handed over")
        }

    first = bus.consumer("g", topic, on_revoked=revoked)
    with contextlib.closing(first):
        collect(first, 8)
        second = bus.consumer("g", topic, on_assigned=assigned)
        with contextlib.closing(second):
            received: list[Record] = []
            deadline = time.monotonic() + 20
            while len(received) < 2 and time.monotonic() < deadline:
                first.poll(0)
                received += second.poll(0)

    assert [name for name, _ in events[:2]] == ["revoked", "assigned"]
    assert events[0][1] == events[1][1]
    assert values(received) == [b"1", b"1"]


def test_on_assigned_may_seek(bus: Bus, topic: str) -> None:
    send(bus, topic, b"0", b"1", b"2")

    def assigned(partitions: frozenset[Partition]) -> None:
        consumer.seek(Partition(topic, 0), 2)

    consumer = bus.consumer("g", topic, on_assigned=assigned)
    with contextlib.closing(consumer):
        assert values(collect(consumer, 1)) == [b"2"]


def test_an_assignment_that_could_not_begin_is_made_again(bus: Bus, topic: str) -> None:
    send(bus, topic, b"0")
    attempts = itertools.count()

    def assigned(partitions: frozenset[Partition]) -> None:
        if next(attempts) == 0:
            raise Overloaded("not now")

    with contextlib.closing(bus.consumer("g", topic, on_assigned=assigned)) as consumer:
        with pytest.raises(Overloaded):
            consumer.poll(0)
        assert consumer.assigned() == frozenset()

        assert values(collect(consumer, 1)) == [b"0"]
    assert next(attempts) == 2


def test_a_member_that_was_silent_for_a_lease_commits_nothing_any_more(
    bus_adapter: Any, topic: str
) -> None:
    place = Partition(topic, 0)
    lost: list[frozenset[Partition]] = []
    with (
        contextlib.closing(bus_adapter.open(lease=LEASE)) as bus,
        contextlib.ExitStack() as closing,
    ):
        send(bus, topic, b"0", b"1", b"2")
        stale = bus.consumer("g", topic, on_revoked=lost.append)
        closing.callback(stale.close)
        collect(stale, 3)
        fresh = closing.enter_context(contextlib.closing(bus.consumer("g", topic)))
        wait_for(lambda: len(fresh.assigned()) == 4, fresh)
        commit(fresh, collect_again(fresh, place), "fresh")

        stale.commit({place: Position(1, "stale")})

        assert fresh.committed(place) == Position(3, "fresh")
        stale.poll(0)
        assert lost[0] == {Partition(topic, number) for number in range(4)}


def test_nothing_is_lost_and_order_holds_while_members_come_and_go(bus: Bus, topic: str) -> None:
    total = 4000
    seen: list[tuple[int, int]] = []
    lock = threading.Lock()
    done = threading.Event()

    def member(rounds: int) -> None:
        with contextlib.closing(bus.consumer("g", topic)) as consumer:
            while rounds and not done.is_set():
                rounds -= 1
                records = consumer.poll(0.01, limit=20)
                with lock:
                    seen.extend((r.partition.number, r.offset) for r in records)
                commit(consumer, records)

    def members(rounds: int) -> None:
        while not done.is_set():
            member(rounds)

    threads = [threading.Thread(target=members, args=(rounds,)) for rounds in (40, 70, 110)]
    for thread in threads:
        thread.start()
    with contextlib.closing(bus.producer()) as producer:
        for number in range(total):
            producer.send(topic, b"%d" % number, partition=number % 4)
            if number % 50 == 49:
                producer.flush()
    deadline = time.monotonic() + 60
    while len(set(seen)) < total and time.monotonic() < deadline:
        done.wait(0.02)
    done.set()
    for thread in threads:
        thread.join()

    assert len(set(seen)) == total
    for partition in range(4):
        firsts = list(dict.fromkeys(offset for number, offset in seen if number == partition))
        assert firsts == sorted(firsts)
