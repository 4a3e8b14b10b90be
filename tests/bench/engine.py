"""How many events a second the engine matches: `python tests/bench/engine.py [STREAM] [--runs N]`.

Two passes over one stream of Windows events with all public rules: the first with empty memories,
the second over the same events. Decoding and recognition are part of both; reading the file is not.
"""

import argparse
import gc
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from collectors.codec import loads
from collectors.recognise import logsources
from detection.records import events
from detection.sigma import Engine, load

ROOT = Path(__file__).parents[2]
CORPORA = Path(os.environ.get("CITYSOC_CORPORA", ROOT.parent / "shared" / "corpora"))
RULE_SETS = ("rules", "rules-emerging-threats", "rules-threat-hunting")
PASSES = ("first", "second")


def main() -> None:
    """Measure and print a table with everything needed to measure it again."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("stream", nargs="?", default=CORPORA / "streams" / "windows.ndjson.gz")
    options.add_argument("--runs", type=int, default=5)
    chosen = options.parse_args()
    lines = [event.line for event in events(str(chosen.stream)) if event.line]
    loading: list[float] = []
    rates: dict[str, list[float]] = {name: [] for name in PASSES}
    matches = rules = 0
    for _ in range(chosen.runs):
        began = time.perf_counter()
        engine = load([CORPORA / "sigma-rules" / name for name in RULE_SETS])
        loading.append(time.perf_counter() - began)
        gc.collect()
        for name in PASSES:
            began = time.perf_counter()
            matches = match_all(engine, lines)
            rates[name].append(len(lines) / (time.perf_counter() - began))
        rules = len(engine.rules)
    for line in surroundings(Path(chosen.stream)):
        print(line)
    print(f"rules {rules:,}, events {len(lines):,}, matches {matches:,}, runs {chosen.runs}")
    print(f"load          {statistics.median(loading):10.2f} s (median)")
    for name, found in rates.items():
        spread = f"{min(found):,.0f} to {max(found):,.0f}"
        print(f"{name:6} pass   {statistics.median(found):10,.0f} events/s (median; {spread})")


def match_all(engine: Engine, lines: Sequence[bytes]) -> int:
    """Decode, recognise and match every line; returns the number of matches."""
    count = 0
    for line in lines:
        fields = loads(line)
        count += len(engine.match(fields, logsources(fields, "json"), line))
    return count


def surroundings(stream: Path) -> list[str]:
    """Hardware, date, commit, corpus and command."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    return [
        f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit}",
        f"{stream.name} sha256 {sha256(stream.read_bytes()).hexdigest()[:16]}",
        f"command: {Path(sys.executable).name} {' '.join(sys.argv)}",
    ]


if __name__ == "__main__":
    main()
