"""How many events a second the embedded bus takes and gives: python tests/bench/bus.py"""

import contextlib
import tempfile
import threading
import time
from pathlib import Path

from collectors.bus.contract import Position, Retention
from collectors.bus.embedded import EmbeddedBus

EVENTS_A_RECORD = 100
RECORDS = 5000
RECORDS_A_FLUSH = 20
TENANTS = ("council", "school", "trust")
EVENT = b'{"message":"' + b"x" * 385 + b'"}'
PINGS = 300


def produce(bus: EmbeddedBus) -> float:
    """Events a second, each flush durable before the next."""
    value = b"\n".join([EVENT] * EVENTS_A_RECORD)
    began = time.perf_counter()
    with contextlib.closing(bus.producer()) as producer:
        for number in range(RECORDS):
            producer.send(f"events.{TENANTS[number % 3]}", value, key=str(number % 40))
            if number % RECORDS_A_FLUSH == 0:
                producer.flush()
    return RECORDS * EVENTS_A_RECORD / (time.perf_counter() - began)


def consume(bus: EmbeddedBus) -> float:
    """Events a second, each poll committed before the next."""
    began = time.perf_counter()
    read = 0
    with contextlib.closing(bus.consumer("bench", "events.")) as consumer:
        while read < RECORDS:
            records = consumer.poll(1)
            read += len(records)
            consumer.commit({each.partition: Position(each.offset + 1) for each in records})
    return RECORDS * EVENTS_A_RECORD / (time.perf_counter() - began)


def delays(bus: EmbeddedBus) -> list[float]:
    """Seconds from send to poll of single records, sorted."""

    def send() -> None:
        with contextlib.closing(bus.producer()) as producer:
            for _ in range(PINGS):
                producer.send("pings.council", repr(time.time()).encode())
                producer.flush()
                time.sleep(0.01)

    found: list[float] = []
    sender = threading.Thread(target=send)
    with contextlib.closing(bus.consumer("bench", "pings.")) as consumer:
        consumer.poll(0)
        sender.start()
        while len(found) < PINGS:
            records = consumer.poll(1)
            found += [time.time() - float(each.value) for each in records]
    sender.join()
    return sorted(found)


def main() -> None:
    """Print the three."""
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(EmbeddedBus(Path(folder) / "bus.sqlite")) as bus,
    ):
        for tenant in TENANTS:
            bus.create_topic(f"events.{tenant}", partitions=4, retention=Retention())
        bus.create_topic("pings.council", partitions=1, retention=Retention())
        print(
            f"produced {produce(bus):,.0f} events/s ({EVENTS_A_RECORD} of {len(EVENT)} bytes each)"
        )
        print(f"consumed {consume(bus):,.0f} events/s")
        waits = delays(bus)
        middle, late = waits[PINGS // 2], waits[PINGS * 99 // 100]
        print(f"send to poll: median {middle * 1000:.1f} ms, 99% {late * 1000:.1f} ms")


if __name__ == "__main__":
    main()
