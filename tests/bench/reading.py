"""What one event costs a door on one core: python tests/bench/reading.py [CORPORA]."""

import gzip
import random
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collectors.event import VERSION, Soc, encode, timestamp
from collectors.fields import related
from collectors.formats import parse
from collectors.recognise import logsources

RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
LINES = 10_000
ROUNDS = 3


def timed(work: Callable[[Any], Any], inputs: Sequence[Any]) -> tuple[list[Any], float]:
    """Results, and microseconds of processor time an input."""
    started = time.process_time()
    results = [work(each) for each in inputs]
    return results, (time.process_time() - started) / len(inputs) * 1e6


def stages(lines: Sequence[bytes]) -> dict[str, float]:
    """Microseconds a line for each step from bytes to the line on the bus."""
    parsed, parsing = timed(lambda line: parse(line, received=RECEIVED), lines)
    found, recognising = timed(lambda each: logsources(each.fields, each.format), parsed)
    names, relating = timed(
        lambda pair: related(pair[0].fields, pair[1]), list(zip(parsed, found, strict=True))
    )
    _, encoding = timed(envelope, list(zip(parsed, found, names, strict=True)))
    return {"parse": parsing, "recognise": recognising, "related": relating, "encode": encoding}


def envelope(parts: tuple[Any, Any, Any]) -> bytes:
    """The event as it goes on the bus."""
    parsed, found, names = parts
    soc = Soc(
        v=VERSION,
        id="0" * 32,
        tenant="tram-depot",
        source="gate",
        received=timestamp(RECEIVED),
        time=timestamp(parsed.time or RECEIVED),
        logsources=tuple(map(str, found)),
        related=names,
        marks=parsed.marks,
    )
    return encode(parsed.fields, soc)


def main(corpora: Path) -> None:
    """Print one line a stream: the best of a few rounds."""
    for stream in sorted((corpora / "streams").glob("*.gz")):
        lines = gzip.decompress(stream.read_bytes()).splitlines()
        random.Random(1).shuffle(lines)
        rounds = [stages(lines[:LINES]) for _ in range(ROUNDS)]
        best = min(rounds, key=lambda each: sum(each.values()))
        steps = "  ".join(f"{name} {cost:5.1f}" for name, cost in best.items())
        print(f"{stream.name:26} {sum(best.values()):5.1f} µs an event:  {steps}")


if __name__ == "__main__":
    here = Path(__file__).resolve().parents[2]
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else here.parent / "shared" / "corpora")
