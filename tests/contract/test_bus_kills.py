"""What every bus promises when a process is killed at work."""

import contextlib
import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from collectors.bus.contract import (
    Bus,
)
from tests.contract.bus_kit import collect, commit, send, wait_for
from tests.leash import leashed

ROOT = Path(__file__).parents[2]


PRODUCING = """
import sys
producer = bus.producer()
number = 0
while True:
    for _ in range(10):
        producer.send(sys.argv[1], b"%d" % number, partition=0)
        number += 1
    producer.flush()
    print(number, flush=True)
"""


CONSUMING = """
import sys
from collectors.bus.contract import Position
consumer = bus.consumer("g", sys.argv[1])
while True:
    records = consumer.poll(1, limit=10)
    for record in records:
        print(record.partition.number, record.offset, flush=True)
    consumer.commit({r.partition: Position(r.offset + 1) for r in records})
"""


@contextlib.contextmanager
def child(bus_adapter: Any, code: str, topic: str) -> Iterator[subprocess.Popen[str]]:
    """Another process on the same bus; killed at the end if it still runs."""
    process = subprocess.Popen(
        leashed([sys.executable, "-c", bus_adapter.child + code, topic]),
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def read_lines(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return list(itertools.islice(process.stdout, count))


def place(line: str) -> tuple[int, int]:
    partition, offset = line.split()
    return int(partition), int(offset)


def test_what_a_killed_producer_had_flushed_is_there_and_in_order(
    bus_adapter: Any, bus: Bus, topic: str
) -> None:
    acknowledged = 0
    for _ in range(2):
        with child(bus_adapter, PRODUCING, topic) as process:
            read_lines(process, 5)
            process.kill()
            rest, _ = process.communicate()
            acknowledged += int(rest.split()[-1]) if rest.split() else 50

    send(bus, topic, b"after")
    start, end = bus.ends(topic)[0]
    with contextlib.closing(bus.consumer("g", topic)) as consumer:
        records = collect(consumer, end)

    assert start == 0
    assert end >= acknowledged + 1
    assert [record.offset for record in records] == list(range(end))
    assert records[-1].value == b"after"
    if bus_adapter.whole_flushes:
        assert (end - 1) % 10 == 0


def test_what_a_killed_consumer_had_not_committed_goes_to_the_others(
    bus_adapter: Any, bus: Bus, topic: str
) -> None:
    seen: set[tuple[int, int]] = set()
    for partition in range(4):
        send(bus, topic, *[b"{}"] * 300, partition=partition)

    for _ in range(3):
        with child(bus_adapter, CONSUMING, topic) as process:
            lines = read_lines(process, 105)
            process.kill()
            rest, _ = process.communicate()
            whole = [*lines, *rest.splitlines(keepends=True)]
            seen.update(place(line) for line in whole if line.endswith("\n"))
    with contextlib.closing(bus.consumer("g", topic)) as last:
        deadline = time.monotonic() + 20
        while len(seen) < 1200 and time.monotonic() < deadline:
            records = last.poll(0.1)
            seen.update((r.partition.number, r.offset) for r in records)
            commit(last, records)

    assert len(seen) == 1200


def test_a_dead_member_is_dropped_long_before_its_lease_ends(
    bus_adapter: Any, bus: Bus, topic: str
) -> None:
    send(bus, topic, b"0")
    with child(bus_adapter, CONSUMING, topic) as process:
        read_lines(process, 1)
        with contextlib.closing(bus.consumer("g", topic)) as consumer:
            wait_for(lambda: len(consumer.assigned()) == 2, consumer)
            process.kill()

            wait_for(lambda: len(consumer.assigned()) == 4, consumer, seconds=40)
