"""The embedded bus on a disk that is full, damaged, or somebody else's."""

import contextlib
import json
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from collectors.bus.contract import Overloaded, Partition, Position, Retention
from collectors.bus.embedded import EmbeddedBus

ROOT = Path(__file__).parents[2]
TOPIC = "events.council"
PLACE = Partition(TOPIC, 0)


def make(path: Path, **settings: int) -> EmbeddedBus:
    bus = EmbeddedBus(path, **settings)
    bus.create_topic(TOPIC, partitions=1, retention=Retention(seconds=None, bytes=0))
    return bus


def test_a_full_bus_is_overloaded_and_goes_on_when_retention_makes_room(tmp_path: Path) -> None:
    bus = make(tmp_path / "bus.db", limit=4_000_000)
    with (
        contextlib.closing(bus),
        contextlib.closing(bus.producer()) as producer,
        contextlib.closing(bus.consumer("g", "events.")) as consumer,
    ):
        taken = 0
        while taken < 100:
            try:
                producer.send(TOPIC, b"%d " % taken * 40_000)
                producer.flush()
            except Overloaded:
                break
            taken += 1

        read = 0
        while read < taken:
            records = consumer.poll(5)
            assert [record.offset for record in records] == list(range(read, read + len(records)))
            read += len(records)
        consumer.commit({PLACE: Position(read)})
        assert bus.enforce_retention() == taken
        producer.send(TOPIC, b"after")
        producer.flush()

        assert 10 < taken < 100
        assert [record.value for record in consumer.poll(5)] == [b"after"]
        assert bus.ends(TOPIC) == [(taken, taken + 1)]


FULL_DISK = """
import json, resource, sys
from collectors.bus.contract import *
from collectors.bus.embedded import EmbeddedBus

def room(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

bus = EmbeddedBus(sys.argv[1])
bus.create_topic("events.council", partitions=1, retention=Retention())
producer = bus.producer()
consumer = bus.consumer("g", "events.")
consumer.poll(0)
taken = refused = 0
room(2_000_000)
for number in range(60):
    try:
        producer.send("events.council", b"%06d" % number * 10_000)
        producer.flush()
        taken += 1
    except Overloaded:
        refused += 1
try:
    consumer.commit({Partition("events.council", 0): Position(1)})
    committed = True
except Overloaded:
    committed = False
room(resource.RLIM_INFINITY)
producer.send("events.council", b"after")
producer.flush()
records = []
while len(records) <= taken:
    records += consumer.poll(1)
consumer.commit({Partition("events.council", 0): Position(len(records))})
print(json.dumps({
    "taken": taken, "refused": refused, "committed": committed,
    "offsets": [r.offset for r in records], "last": records[-1].value.decode(),
    "whole": all(len(r.value) == 60_000 for r in records[:-1]),
}))
"""


def test_what_was_taken_before_the_disk_was_full_is_whole_and_all_goes_on_after(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "bus.db")],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["taken"] > 5
    assert result["refused"] > 5
    assert result["offsets"] == list(range(result["taken"] + 1))
    assert result["last"] == "after"
    assert result["whole"]


def test_a_locked_file_is_an_overload_that_ends(tmp_path: Path) -> None:
    bus = make(tmp_path / "bus.db", wait=0)
    other = sqlite3.connect(tmp_path / "bus.db", isolation_level=None)
    with (
        contextlib.closing(bus),
        contextlib.closing(other),
        contextlib.closing(bus.producer()) as producer,
    ):
        other.execute("BEGIN IMMEDIATE")
        producer.send(TOPIC, b"0")
        with pytest.raises(Overloaded, match="locked"):
            producer.flush()
        other.execute("ROLLBACK")

        producer.send(TOPIC, b"1")
        producer.flush()

        # what a failed flush held is not kept
        assert bus.ends(TOPIC) == [(0, 1)]


def test_a_file_that_is_no_bus_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bus.db"
    path.write_bytes(b"this is no database, whatever it is called" * 100)

    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        EmbeddedBus(path)


def test_a_file_of_another_version_is_refused_with_its_version(tmp_path: Path) -> None:
    path = tmp_path / "bus.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")

    with pytest.raises(ValueError, match="version 99"):
        EmbeddedBus(path)


def test_a_folder_that_does_not_exist_is_an_overload_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(Overloaded, match="nowhere"):
        EmbeddedBus(tmp_path / "nowhere" / "bus.db", wait=0)


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    with contextlib.closing(make(tmp_path / "bus.db")) as bus:
        with contextlib.closing(bus.producer()) as producer:
            producer.send(TOPIC, b"secret")

        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}

    assert modes == {"bus.db": 0o600, "bus.db-wal": 0o600, "bus.db-shm": 0o600}


def test_many_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bus.db"

    def open_and_create(number: int) -> int:
        with contextlib.closing(EmbeddedBus(path)) as bus:
            bus.create_topic(f"events.t{number}", partitions=2, retention=Retention())
            return len(bus.topics())

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(open_and_create, range(16)))

    assert max(counts) == 16


def test_records_of_a_deleted_topic_go_even_when_its_removal_was_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "bus.db"
    with contextlib.closing(make(path)) as bus, contextlib.closing(bus.producer()) as producer:
        for _ in range(500):
            producer.send(TOPIC, b"{}")
        producer.flush()
        with contextlib.closing(sqlite3.connect(path)) as other:
            # as a crash in delete_topic leaves it: the log gone, its records not yet
            other.execute("INSERT INTO doomed SELECT id FROM logs")
            other.execute("DELETE FROM logs")
            other.execute("DELETE FROM topics")
            other.commit()

            bus.enforce_retention()

            assert other.execute("SELECT count(*) FROM records").fetchone() == (0,)
            assert other.execute("SELECT count(*) FROM doomed").fetchone() == (0,)
