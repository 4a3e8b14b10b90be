"""A stage on Kafka while its broker is killed and comes back: nothing lost, order kept."""

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from collectors.bus.contract import Bus, Overloaded, Partition, Record, Retention
from collectors.bus.kafka import KafkaBus, KafkaSettings
from collectors.bus.loop import run
from collectors.bus.outbox import Letter, Outbox

pytestmark = [
    pytest.mark.usefixtures("refused_sockets"),
    pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning"),
]

TOTAL = 3000


class Copying:
    """A handler that copies each record to `copies.school`."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox

    def handle(self, records: Sequence[Record]) -> None:
        self.outbox.put(*[Letter("copies.school", record.value) for record in records])

    def flush(self) -> None:
        self.outbox.flush()

    def note(self, partition: Partition) -> str:
        return f"as far as I am in {partition.number}"


def insist(action: Callable[[], Any], seconds: float = 60) -> Any:
    """Do it as soon as the broker can; fails at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except Overloaded:
            assert time.monotonic() < deadline, "the broker did not come back"


def send_all(bus: Bus, sent: threading.Event) -> None:
    with contextlib.closing(bus.producer()) as producer:
        outbox = Outbox(producer)
        for number in range(TOTAL):
            outbox.put(Letter("events.school", b"%d" % number))
            if number % 20 == 19:
                insist(outbox.flush)
    sent.set()


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not insist(condition):
        assert time.monotonic() < deadline, "condition did not come true"
        threading.Event().wait(0.05)


def read_copies(bus: Bus) -> list[bytes]:
    end = bus.ends("copies.school")[0][1]
    copies: list[bytes] = []
    with contextlib.closing(bus.consumer("reader", "copies.")) as consumer:
        while len(copies) < end:
            copies += [record.value for record in insist(lambda: consumer.poll(1))]
    return copies


def test_a_stage_goes_on_after_its_broker_was_killed(own_servers: Callable[..., Any]) -> None:
    running = own_servers("kafka")
    settings = KafkaSettings(
        servers=running.kafka, prefix=f"{uuid.uuid4().hex[:8]}.", session=6, look=0.5, wait=3
    )
    with (
        contextlib.closing(KafkaBus(settings)) as bus,
        contextlib.closing(bus.producer()) as producer,
    ):
        for topic in ("events.school", "copies.school", "dead.school"):
            insist(lambda topic=topic: bus.create_topic(topic, partitions=1, retention=Retention()))
        stop, sent = threading.Event(), threading.Event()
        place = Partition("events.school", 0)
        stage = threading.Thread(
            target=run,
            args=(bus, Copying(Outbox(producer))),
            kwargs={"group": "g", "topics": "events.", "stage": "copy", "stop": stop, "batch": 50},
        )
        sender = threading.Thread(target=send_all, args=(bus, sent))
        stage.start()
        sender.start()
        try:
            wait_for(lambda: bus.ends("copies.school")[0][1] > 300)

            running.kill("kafka")
            running.restart("kafka")
            wait_for(sent.is_set)
            end = insist(lambda: bus.ends("events.school"))[0][1]
            wait_for(lambda: place in (at := bus.positions("g")) and at[place].offset == end)
        finally:
            stop.set()
            for thread in (stage, sender):
                thread.join(30)
        copies = read_copies(bus)
        note = bus.positions("g")[place].note

    assert list(dict.fromkeys(copies)) == [b"%d" % number for number in range(TOTAL)]
    assert note == "as far as I am in 0"
