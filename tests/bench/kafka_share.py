"""What of the bus's time is kafka-python's own: python tests/bench/kafka_share.py host:port"""

import contextlib
import statistics
import sys
import time
import uuid

from kafka import KafkaConsumer, KafkaProducer

from collectors.bus.contract import Partition, Position, Retention
from collectors.bus.kafka import KafkaBus, KafkaSettings

EVENTS_A_RECORD = 100
RECORDS = 2000
ROUNDS = 3
RECORDS_A_FLUSH = 20
VALUE = b"\n".join([b'{"message":"' + b"x" * 385 + b'"}'] * EVENTS_A_RECORD)


def own_produce(servers: str, topic: str) -> float:
    """Seconds that kafka-python alone takes to append them all, flushed as often."""
    producer = KafkaProducer(
        bootstrap_servers=servers, compression_type="lz4", linger_ms=5, batch_size=512 * 1024
    )
    with contextlib.closing(producer):
        producer.partitions_for(topic)
        began = time.perf_counter()
        for number in range(RECORDS):
            producer.send(topic, VALUE, key=b"%d" % (number % 40), partition=number % 4)
            if number % RECORDS_A_FLUSH == RECORDS_A_FLUSH - 1:
                producer.flush()
        return time.perf_counter() - began


def own_consume(servers: str, topic: str) -> float:
    """Seconds that kafka-python alone takes to read them all, once it has joined its group."""
    consumer = KafkaConsumer(
        topic, bootstrap_servers=servers, group_id=topic, auto_offset_reset="earliest"
    )
    with contextlib.closing(consumer):
        while not consumer.assignment():
            consumer.poll(timeout_ms=100, max_records=1)
        consumer.seek_to_beginning()
        began = time.perf_counter()
        read = 0
        while read < RECORDS:
            read += sum(map(len, consumer.poll(timeout_ms=1000).values()))
            consumer.commit()
        return time.perf_counter() - began


def bus_produce(bus: KafkaBus, topic: str) -> float:
    """Seconds that the bus takes to append them all, each flush durable before the next."""
    with contextlib.closing(bus.producer()) as producer:
        producer.send(topic, b"{}", partition=0)
        producer.flush()
        began = time.perf_counter()
        for number in range(RECORDS):
            producer.send(topic, VALUE, key=str(number % 40), partition=number % 4)
            if number % RECORDS_A_FLUSH == RECORDS_A_FLUSH - 1:
                producer.flush()
        return time.perf_counter() - began


def bus_consume(bus: KafkaBus, topic: str) -> float:
    """Seconds that the bus takes to read them all, each poll committed before the next."""
    with contextlib.closing(bus.consumer("bench", topic)) as consumer:
        while not consumer.assigned():
            consumer.poll(0.1, limit=1)
        for number in range(4):
            consumer.seek(Partition(topic, number), 0)
        began = time.perf_counter()
        read = 0
        while read < RECORDS:
            records = consumer.poll(1)
            read += len(records)
            consumer.commit({each.partition: Position(each.offset + 1) for each in records})
        return time.perf_counter() - began


def measure(bus: KafkaBus, servers: str, prefix: str) -> dict[str, tuple[float, float]]:
    """Seconds of kafka-python alone and of the bus, on new topics."""
    for topic in ("own", "ours"):
        bus.create_topic(topic, partitions=4, retention=Retention())
    took = {
        "produce": (own_produce(servers, f"{prefix}own"), bus_produce(bus, "ours")),
        "consume": (own_consume(servers, f"{prefix}own"), bus_consume(bus, "ours")),
    }
    for topic in ("own", "ours"):
        bus.delete_topic(topic)
    return took


def main(servers: str) -> None:
    """Print events a second; the first round warms the broker up and is not counted."""
    rounds = []
    for _ in range(ROUNDS + 1):
        prefix = f"bench{uuid.uuid4().hex[:8]}."
        with contextlib.closing(KafkaBus(KafkaSettings(servers=servers, prefix=prefix))) as bus:
            rounds.append(measure(bus, servers, prefix))
    for what in ("produce", "consume"):
        own, ours = (statistics.median(each[what][who] for each in rounds[1:]) for who in (0, 1))
        events = RECORDS * EVENTS_A_RECORD
        print(
            f"{what}: kafka-python alone {events / own:,.0f} events/s ({own:.2f} s), "
            f"the bus {events / ours:,.0f} ({ours:.2f} s)"
        )


if __name__ == "__main__":
    main(sys.argv[1])
