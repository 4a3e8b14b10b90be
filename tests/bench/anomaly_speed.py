"""Events a second through the anomaly model on one core: `python -m tests.bench.anomaly_speed`."""

import contextlib
import gc
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from collectors.bus.contract import Bus, Consumer
from collectors.codec import dumps
from collectors.event import Soc, encode, timestamp
from deploy.stages import YOUNG
from detection.anomaly import replay
from detection.anomaly.counting import Counting
from detection.anomaly.profile import read
from detection.anomaly.replay import Replay
from detection.anomaly.stage import Behaviour
from tests.behaviour import START, behaviour, counting, opened
from tests.buses import Clock

TENANT = "council"
ENTITIES, PEERS = 15_000, 8
WARM, WARM_HOURS = 60_000, 26
"""Events of the day before, so that a model is in force; they are not timed."""
HOURS = 2
RECORD = 100
PROFILE = read(
    b"{entity: id.orig_h, kind: address, window: 1h, bytes: orig_bytes, facets: {service:"
    b" [proto, id.resp_p], state: [id.resp_p, conn_state], peer: id.resp_h, application: service}}",
    "zeek_conn",
)


def events(count: int, since: float, hours: float, seed: int) -> Iterator[tuple[float, dict]]:
    """Zeek's connections of ENTITIES addresses to PEERS others each, evenly over these hours."""
    chance = random.Random(seed)
    for number in range(count):
        at = since + number * hours * 3600.0 / count
        host = chance.randrange(ENTITIES)
        yield (
            at,
            {
                "ts": at,
                "uid": f"C{chance.getrandbits(64):016x}",
                "id.orig_h": f"10.0.{host // 250}.{host % 250}",
                "id.orig_p": chance.randrange(1024, 65536),
                "id.resp_h": f"10.9.0.{(host * 7 + chance.randrange(PEERS)) % 200}",
                "id.resp_p": chance.choice((53, 80, 443, 445, 8080, 22)),
                "proto": "tcp",
                "service": chance.choice(("dns", "http", "ssl")),
                "duration": round(chance.random(), 6),
                "orig_bytes": chance.randrange(5000),
                "resp_bytes": chance.randrange(50_000),
                "conn_state": chance.choice(("SF", "S0", "REJ")),
                "history": "ShADadFf",
                "orig_pkts": 5,
                "resp_pkts": 6,
            },
        )


def _line(at: float, fields: dict, number: int) -> bytes:
    moment = timestamp(datetime.fromtimestamp(at, UTC))
    soc = Soc(
        v=1,
        id=f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128):032x}",
        tenant=TENANT,
        source="sensor",
        received=moment,
        time=moment,
        logsources=("zeek//conn",),
        related={"ip": [fields["id.orig_h"], fields["id.resp_h"]]},
    )
    return encode(fields, soc)


def publish(bus: Bus, clock: Clock, what: Iterator[tuple[float, dict]], seed: int) -> None:
    """Records of RECORD events, as a door fills them."""
    lines: list[bytes] = []
    with contextlib.closing(bus.producer()) as producer:
        for number, (at, fields) in enumerate(what, seed << 40):
            lines.append(_line(at, fields, number))
            if len(lines) == RECORD:
                clock.now = at
                producer.send(f"events.{TENANT}", b"\n".join(lines))
                producer.flush()
                lines.clear()


def drain(consumer: Consumer, handler: Counting | Behaviour) -> float:
    """Processor seconds until all is read."""
    began = time.process_time()
    while found := consumer.poll(0.0, 500):
        handler.handle(found)
        handler.flush()
    return time.process_time() - began


def live(count: int) -> None:
    """Both halves of the stage over an embedded bus, a model in force."""
    clock, since = Clock(START), START.timestamp()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        bus = stack.enter_context(opened(Path(folder) / "bus.db", clock, TENANT))
        halves = (("events.", counting(bus)), ("behaviour.", behaviour(bus, Path(folder))))
        ends = []
        for topics, handler in halves:
            consumer = stack.enter_context(contextlib.closing(bus.consumer("bench", topics)))
            while not consumer.assigned():
                consumer.poll(0.0, 1)
            if isinstance(handler, Behaviour):
                handler.assigned(consumer, dict.fromkeys(consumer.assigned()))
            ends.append((consumer, handler))
        publish(bus, clock, events(WARM, since, WARM_HOURS, 0), 0)
        for consumer, handler in ends:
            drain(consumer, handler)
        publish(bus, clock, events(count, since + WARM_HOURS * 3600.0, HOURS, 1), 1)
        first, second = (drain(consumer, handler) for consumer, handler in ends)
        models = list((Path(folder) / "models").rglob("*.model"))
    print(
        f"stage: {count / (first + second):,.0f} events/s on one core ({first / count * 1e6:.1f} µs"
        f" an event to read, {second / count * 1e6:.1f} µs to watch), {len(models)} model in force"
    )


def replayed(count: int) -> None:
    """`citysoc anomaly replay` over a file."""
    run, since = Replay("speed", PROFILE, budget=5.0), START.timestamp()
    with tempfile.TemporaryDirectory() as folder:
        warm, path = Path(folder) / "warm.ndjson", Path(folder) / "conn.ndjson"
        warm.write_bytes(b"\n".join(dumps(each) for _, each in events(WARM, since, WARM_HOURS, 0)))
        later = events(count, since + WARM_HOURS * 3600.0, HOURS, 1)
        path.write_bytes(b"\n".join(dumps(each) for _, each in later))
        for _ in run.run([warm]):
            pass
        began = time.process_time()
        windows = sum(1 for _ in run.run([path]))
        spent = time.process_time() - began
    known = len(run.watch.kept.state.entities)
    print(f"replay: {count / spent:,.0f} events/s; {known:,} entities, {windows:,} windows")


if __name__ == "__main__":
    import_module("sklearn.ensemble")  # what starting costs is no part of it
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 400_000
    gc.set_threshold(YOUNG)  # as every stage does
    live(number)
    gc.set_threshold(replay.YOUNG)  # as the command does
    replayed(number)
