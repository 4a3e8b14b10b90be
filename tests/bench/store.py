"""How fast a store takes events, and how soon it finds them.

    python tests/bench/store.py [EVENTS] [--elasticsearch URL]

Events are the shared Windows stream over and over, each with a record number and a time of its
own. The embedded store is measured in CPU seconds of this process, so that other work on the
machine does not count; a server, which works beside it, in seconds of the clock.
"""

import argparse
import gzip
import os
import platform
import random
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from collectors import codec
from collectors.event import Soc, encode, event_id, timestamp
from tenants.store.contract import StoredEvent, TenantStore
from tenants.store.elasticsearch import ElasticsearchStore
from tenants.store.embedded import EmbeddedStore
from tenants.store.filter import Filter

ROOT = Path(__file__).parents[2]
CORPORA = Path(os.environ.get("CITYSOC_CORPORA", ROOT.parent / "shared" / "corpora"))
BATCH = 5_000
START = datetime(2026, 10, 1, tzinfo=UTC)
QUESTIONS = (
    "",
    "RecordNumber:77777",
    "nosuchword",
    "EventID:4624",
    r"Image:*\\whoami.exe",
    "whoami",
    "host:mordordc.mordor.local and EventID:4688",
    "TargetImage:*lsass* and GrantedAccess:0x1010",
    "CommandLine:*mimikatz*",
    "*powershel*",
    "EventID >= 5000",
    "not Channel:*sysmon*",
)


def events(count: int) -> Iterator[list[StoredEvent]]:
    """Batches of events, received 50 a second, each up to 2 s after its time."""
    late = random.Random(7)
    with gzip.open(CORPORA / "streams" / "windows.ndjson.gz") as stream:
        base: list[dict[str, Any]] = [codec.loads(line) for line in stream]
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        yield [_event(base[number % len(base)], number, late.random() * 2) for number in numbers]


def _event(fields: dict[str, Any], number: int, late: float) -> StoredEvent:
    received = START + timedelta(milliseconds=20 * number)
    soc = Soc(
        v=1,
        id=event_id("council", "dc", str(number), ""),
        tenant="council",
        source="dc",
        received=timestamp(received),
        time=timestamp(received - timedelta(seconds=late)),
        logsources=("windows//sysmon",),
        related={"host": [str(fields.get("Hostname", "")).lower()]},
    )
    return StoredEvent(
        id=soc.id,
        time=soc.time,
        received=soc.received,
        source=soc.source,
        line=encode({**fields, "RecordNumber": number}, soc),
    )


Clock = Callable[[], float]


def write(store: TenantStore, count: int, clock: Clock) -> None:
    """Write them, and the last batch once more."""
    seconds = 0.0
    batch: list[StoredEvent] = []
    for batch in events(count):
        before = clock()
        store.write(batch)
        seconds += clock() - before
    print(f"written       {count / seconds:10,.0f} events/s")
    before = clock()
    store.write(batch)
    print(f"written again {len(batch) / (clock() - before):10,.0f} events/s")


def write_until_found(store: TenantStore, clock: Clock) -> None:
    """How long after a write of 100 events begins the last of them is found."""
    times = []
    for start in range(0, 2_000, 100):
        batch = [_event({"probe": number}, number, 0) for number in range(start, start + 100)]
        before = clock()
        store.write(batch)
        found = store.search(Filter.parse(f"probe:{start + 99}"))
        times.append(clock() - before)
        assert len(found.events) == 1
    times.sort()
    print(
        f"write to found {times[len(times) // 2] * 1000:9,.0f} ms p50 {times[-1] * 1000:,.0f} max"
    )


def ask(store: TenantStore, text: str, clock: Clock) -> None:
    """The first page of an answer, and all of it counted."""
    query = Filter.parse(text)
    before = clock()
    page = store.search(query)
    first = clock() - before
    before = clock()
    count = store.count(query)
    counted = clock() - before
    more = "and on" if page.after else "all"
    print(
        f"{text or '(everything)':46} {first * 1000:8.1f} ms {len(page.events):3} {more:6}"
        f" count {count:9,} {counted * 1000:8.1f} ms"
    )


def measure(store: TenantStore, count: int, clock: Clock) -> None:
    """Write, then ask."""
    write(store, count, clock)
    for text in QUESTIONS:
        ask(store, text, clock)


def measure_embedded(count: int) -> None:
    """Files in a folder that is removed again."""
    with tempfile.TemporaryDirectory() as folder:
        with closing(EmbeddedStore(Path(folder))) as opened:
            measure(opened.bind("council"), count, time.process_time)
            write_until_found(opened.bind("probe"), time.process_time)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        print(f"on disk       {size / count:10,.0f} bytes an event")


def measure_elasticsearch(url: str, count: int) -> None:
    """Indices of a new prefix that are removed again."""
    prefix = f"bench{secrets.token_hex(4)}"
    with closing(ElasticsearchStore(url, prefix=prefix)) as opened:
        try:
            measure(opened.bind("council"), count, time.perf_counter)
            write_until_found(opened.bind("probe"), time.perf_counter)
        finally:
            for tenant in ("council", "probe"):
                opened.drop(tenant)


def main() -> None:
    """Measure the store that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--elasticsearch", metavar="URL", help="a server, not the embedded store")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {options.events:,} events")
    if options.elasticsearch:
        measure_elasticsearch(options.elasticsearch, options.events)
    else:
        measure_embedded(options.events)


if __name__ == "__main__":
    main()
