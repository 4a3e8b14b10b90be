"""How fast the embedded store takes events, and how soon it finds them.

    python tests/bench/store.py [EVENTS]

Events are the shared Windows stream over and over, each with a record number and a time of its
own. CPU seconds of this process: other work on the machine does not count.
"""

import gzip
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from collectors import codec
from collectors.event import Soc, encode, event_id, timestamp
from tenants.store.contract import StoredEvent, TenantStore
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


def write(store: TenantStore, count: int) -> None:
    """Write them, and the last batch once more."""
    seconds = 0.0
    batch: list[StoredEvent] = []
    for batch in events(count):
        before = time.process_time()
        store.write(batch)
        seconds += time.process_time() - before
    print(f"written       {count / seconds:10,.0f} events/s of CPU")
    before = time.process_time()
    store.write(batch)
    print(f"written again {len(batch) / (time.process_time() - before):10,.0f} events/s of CPU")


def ask(store: TenantStore, text: str) -> None:
    """The first page of an answer, and all of it counted."""
    query = Filter.parse(text)
    before = time.process_time()
    page = store.search(query)
    first = time.process_time() - before
    before = time.process_time()
    count = store.count(query)
    counted = time.process_time() - before
    more = "and on" if page.after else "all"
    print(
        f"{text or '(everything)':46} {first * 1000:8.1f} ms {len(page.events):3} {more:6}"
        f" count {count:9,} {counted * 1000:8.1f} ms"
    )


def main() -> None:
    """Write, then ask."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {count:,} events")
    with tempfile.TemporaryDirectory() as folder, closing(EmbeddedStore(Path(folder))) as opened:
        store = opened.bind("council")
        write(store, count)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        print(f"on disk       {size / count:10,.0f} bytes an event")
        for text in QUESTIONS:
            ask(store, text)


if __name__ == "__main__":
    main()
