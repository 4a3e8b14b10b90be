"""The loop that every stage runs: nothing lost, whatever fails, and quick to end."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from collectors.bus.contract import (
    Consumer,
    Malformed,
    Overloaded,
    Partition,
    Position,
    Record,
    Retention,
)
from collectors.bus.embedded import EmbeddedBus
from collectors.bus.loop import run
from collectors.bus.outbox import Letter, Outbox
from collectors.health import Progress
from tests.leash import leashed

ROOT = Path(__file__).parents[2]
TOPIC = "events.school"
PLACE = Partition(TOPIC, 0)


class Collecting:
    """A handler that keeps what it is given, and fails as it is told to."""

    def __init__(self) -> None:
        self.staged: list[Record] = []
        self.done: list[bytes] = []
        self.failures: dict[str, list[Exception]] = {"handle": [], "flush": []}
        self.malformed: set[bytes] = set()

    def handle(self, records: Sequence[Record]) -> None:
        if self.failures["handle"]:
            raise self.failures["handle"].pop()
        for record in records:
            if record.value in self.malformed:
                raise Malformed("expected a number")
        self.staged += records

    def flush(self) -> None:
        if self.failures["flush"]:
            raise self.failures["flush"].pop()
        self.done += [record.value for record in self.staged]
        self.staged = []

    def note(self, partition: Partition) -> str:  # noqa: ARG002 - as the contract has it
        return f"{len(self.done)} done"


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[EmbeddedBus]:
    with contextlib.closing(EmbeddedBus(tmp_path / "bus.db")) as opened:
        opened.create_topic(TOPIC, partitions=1, retention=Retention())
        opened.create_topic("dead.school", partitions=1, retention=Retention())
        yield opened


@contextlib.contextmanager
def running(bus: EmbeddedBus, handler: object, **settings: object) -> Iterator[Progress]:
    """The loop in a thread, until the block ends."""
    stop, progress = threading.Event(), Progress("test")
    failed: list[BaseException] = []

    def work() -> None:
        try:
            run(
                bus,
                handler,  # type: ignore[arg-type]
                group="g",
                topics="events.",
                stage="test",
                stop=stop,
                progress=progress,
                **settings,  # type: ignore[arg-type]
            )
        except ZeroDivisionError as bug:
            failed.append(bug)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield progress
    finally:
        stop.set()
        began = time.monotonic()
        thread.join(20)
        assert time.monotonic() - began < 1
    if failed:
        raise failed[0]


def send(bus: EmbeddedBus, *values: bytes) -> None:
    with contextlib.closing(bus.producer()) as producer:
        for value in values:
            producer.send(TOPIC, value)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "condition did not come true"
        threading.Event().wait(0.005)


def committed(bus: EmbeddedBus) -> Position | None:
    with contextlib.closing(bus.consumer("g", "events.")) as consumer:
        return consumer.committed(PLACE)


def read(bus: EmbeddedBus, topic: str) -> list[bytes]:
    with contextlib.closing(bus.consumer("reader", topic)) as consumer:
        return [record.value for record in consumer.poll(5)]


def test_records_are_done_in_order_and_committed_with_the_handlers_note(bus: EmbeddedBus) -> None:
    handler = Collecting()
    send(bus, b"0", b"1", b"2")

    with running(bus, handler):
        wait_for(lambda: committed(bus))

    assert handler.done == [b"0", b"1", b"2"]
    assert committed(bus) == Position(3, "3 done")


@pytest.mark.parametrize("where", ["handle", "flush"])
def test_an_overload_is_waited_out_and_loses_and_doubles_nothing(
    bus: EmbeddedBus, where: str
) -> None:
    handler = Collecting()
    handler.failures[where] = [Overloaded("the disk is full"), Overloaded("still")]
    send(bus, b"0", b"1")

    with running(bus, handler):
        wait_for(lambda: committed(bus))

    assert handler.done == [b"0", b"1"]


def test_a_malformed_record_is_set_aside_and_the_others_go_on(bus: EmbeddedBus) -> None:
    handler = Collecting()
    handler.malformed = {b"x"}
    send(bus, b"0", b"x", b"2")

    with running(bus, handler):
        wait_for(lambda: committed(bus))

    assert handler.done == [b"0", b"2"]
    assert committed(bus) == Position(3, "2 done")
    assert json.loads(read(bus, "dead.")[0]) == {
        "v": 1,
        "stage": "test",
        "reason": "expected a number",
        "topic": TOPIC,
        "partition": 0,
        "offset": 1,
        "size": 1,
        "text": "x",
    }


def test_a_bug_stops_the_stage_and_commits_nothing(bus: EmbeddedBus) -> None:
    handler = Collecting()
    handler.failures["handle"] = [ZeroDivisionError("a bug")]
    send(bus, b"0")

    with pytest.raises(ZeroDivisionError), running(bus, handler):
        wait_for(lambda: not handler.failures["handle"])

    assert committed(bus) is None


def test_it_ends_at_once_in_the_middle_of_an_overload(bus: EmbeddedBus) -> None:
    handler = Collecting()
    handler.failures["flush"] = [Overloaded("for ever")] * 10_000
    send(bus, b"0")

    with running(bus, handler) as progress:
        wait_for(lambda: progress.report()["status"] == "overloaded")
        report = progress.report()

    assert report["reason"] == "for ever"
    assert progress.report()["status"] == "stopped"
    assert committed(bus) is None
    assert handler.done == []


def test_progress_tells_the_lag(bus: EmbeddedBus) -> None:
    handler = Collecting()
    send(bus, b"0")

    with running(bus, handler) as progress:
        wait_for(lambda: progress.report()["status"] == "running")
        report = progress.report()

    assert report["lag"]["records"] <= 1
    assert report["stage"] == "test"


class Rebuilding(Collecting):
    """A handler that reads its log again when it is assigned."""

    def __init__(self) -> None:
        super().__init__()
        self.began_at: Mapping[Partition, Position | None] = {}
        self.lost: list[frozenset[Partition]] = []

    def assigned(self, consumer: Consumer, positions: Mapping[Partition, Position | None]) -> None:
        self.began_at = positions
        consumer.seek(PLACE, 0)

    def revoked(self, partitions: frozenset[Partition]) -> None:
        self.lost.append(partitions)


def test_what_a_rebuild_reads_again_takes_no_position_back(bus: EmbeddedBus) -> None:
    send(bus, b"0", b"1", b"2", b"3")
    with running(bus, Collecting()):
        wait_for(lambda: committed(bus))
    handler = Rebuilding()

    with running(bus, handler, batch=1):
        wait_for(lambda: len(handler.done) == 4)
        after_rebuild = committed(bus)
        send(bus, b"4")
        wait_for(lambda: len(handler.done) == 5)
        wait_for(lambda: committed(bus) == Position(5, "5 done"))

    assert handler.began_at == {PLACE: Position(4, "4 done")}
    assert after_rebuild == Position(4, "4 done")


def test_a_handler_hears_which_partitions_it_has_lost(bus: EmbeddedBus) -> None:
    handler = Rebuilding()

    with running(bus, handler):
        wait_for(lambda: handler.began_at)
        bus.delete_topic(TOPIC)
        wait_for(lambda: handler.lost)

    assert handler.lost == [frozenset({PLACE})]


def test_an_outbox_sends_all_of_it_again_after_an_overload(bus: EmbeddedBus) -> None:
    with contextlib.closing(bus.producer()) as producer:
        flush, failures = producer.flush, [Overloaded("once")]

        def fail_once() -> None:
            flush()
            if failures:
                raise failures.pop()

        producer.flush = fail_once  # type: ignore[method-assign]
        outbox = Outbox(producer)
        outbox.put(Letter(TOPIC, b"0"), Letter(TOPIC, b"1"))
        with pytest.raises(Overloaded):
            outbox.flush()
        outbox.flush()
        outbox.flush()

    assert read(bus, "events.") == [b"0", b"1", b"0", b"1"]


def test_an_outbox_holds_more_than_the_producers_buffer(tmp_path: Path) -> None:
    with contextlib.closing(EmbeddedBus(tmp_path / "small.db", buffer_bytes=1000)) as bus:
        bus.create_topic(TOPIC, partitions=1, retention=Retention())
        with contextlib.closing(bus.producer()) as producer:
            outbox = Outbox(producer)
            outbox.put(*[Letter(TOPIC, b"x" * 300)] * 20)
            outbox.flush()

        assert bus.ends(TOPIC) == [(0, 20)]


def test_an_outbox_drops_what_is_for_a_tenant_that_has_left(bus: EmbeddedBus) -> None:
    with contextlib.closing(bus.producer()) as producer:
        outbox = Outbox(producer)
        outbox.put(Letter("signals.gone", b"0"), Letter(TOPIC, b"1"))
        outbox.flush()

    assert read(bus, "events.") == [b"1"]


COPYING = """
import sys, threading
from collectors.bus.embedded import EmbeddedBus
from collectors.bus.loop import run
from collectors.bus.outbox import Letter, Outbox

class Copying:
    def __init__(self, producer):
        self.outbox = Outbox(producer)
    def handle(self, records):
        self.outbox.put(*[Letter("copies.school", record.value) for record in records])
    def flush(self):
        self.outbox.flush()
    def note(self, partition):
        return ""

bus = EmbeddedBus(sys.argv[1])
run(bus, Copying(bus.producer()), group="g", topics="events.", stage="copy",
    stop=threading.Event(), batch=5)
"""


def test_a_stage_killed_anywhere_loses_nothing(bus: EmbeddedBus, tmp_path: Path) -> None:
    bus.create_topic("copies.school", partitions=1, retention=Retention())
    total = 3000
    send(bus, *[b"%d" % number for number in range(total)])

    def copied() -> int:
        return bus.ends("copies.school")[0][1]

    for part in (1, 2, 3, 4):
        command = leashed([sys.executable, "-c", COPYING, str(tmp_path / "bus.db")])
        with subprocess.Popen(command, cwd=ROOT) as it:
            goal = copied() + 100 if part < 4 else total
            wait_for(lambda goal=goal: copied() >= goal)
            if part == 4:
                wait_for(lambda: bus.group_lag()["g"].records == 0)
            it.kill()

    copies: list[bytes] = []
    with contextlib.closing(bus.consumer("reader", "copies.")) as consumer:
        while len(copies) < copied():
            copies += [record.value for record in consumer.poll(5)]
    # at least once each, and in order at first sight
    assert list(dict.fromkeys(copies)) == [b"%d" % number for number in range(total)]
    assert len(copies) < total + 4 * 5
