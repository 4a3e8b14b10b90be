"""citysoc's engine beside rsigma's: `python -m tests.bench.rsigma [STREAM] [--rsigma PATH]`.

Both on one core, over one stream in one order, with log-source hints from one table. Rates are
events for each second of processor time, decoding included; loading is measured apart. A pair of
runs follows at once, so that both meet the same neighbours. Matches are compared as well.
"""

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from collectors.codec import loads
from detection.sigma import Engine, load
from tests.bench.engine import CORPORA, RULE_SETS, surroundings
from tests.bench.hinted import Stream, matched_place, records, streams

BUILD = (
    "cargo install rsigma --version 0.26.0 --ignore-rust-version --features daachorse-index,evtx"
)
Rates = dict[str, list[float]]
REPEATS = 3
"""How often rsigma reads the stream in one run, as its loading takes longer than that."""
ROWS = {
    "rsigma": "rsigma",
    "first": "citysoc, first pass",
    "second": "citysoc, second pass",
    "rsigma new": "rsigma, every value new",
    "new": "citysoc, every value new",
}


class Peer:
    """rsigma, with the same rules in one folder."""

    def __init__(self, binary: str, folder: Path) -> None:
        rules = folder / "rules"
        rules.mkdir()
        for name in RULE_SETS:
            (rules / name).symlink_to((CORPORA / "sigma-rules" / name).resolve())
        self._call = [binary, "engine", "eval", "-r", str(rules), "--logsource-routing"]
        self._call += ["--input-format", "json", "--output-format", "ndjson"]

    def seconds(self, events: Path) -> float:
        """Processor time of a whole run."""
        running = subprocess.Popen(
            [*self._call, "-e", f"@{events}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, used = os.wait4(running.pid, 0)
        if status:
            raise SystemExit(f"rsigma ended with status {status}")
        return used.ru_utime + used.ru_stime

    def matches(self, events: Path) -> Counter[tuple[int, str]]:
        """What it finds: position and rule."""
        call = [*self._call, "--include-event", "-e", f"@{events}"]
        found = subprocess.run(call, capture_output=True, check=True).stdout
        return Counter(map(matched_place, found.splitlines()))


def main() -> None:
    """Measure, compare, and print a table with everything needed to do it again."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("stream", nargs="?", default=CORPORA / "streams" / "windows.ndjson.gz")
    options.add_argument("--rsigma", default=os.environ.get("RSIGMA", ""))
    options.add_argument("--runs", type=int, default=7)
    chosen = options.parse_args()
    if not Path(chosen.rsigma).is_file():
        print(f"no rsigma to measure beside: name it by --rsigma or RSIGMA; to build it: {BUILD}")
        return
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    plain, fresh = streams(Path(chosen.stream))
    with tempfile.TemporaryDirectory() as folder:
        files = _files(Path(folder), plain, fresh)
        peer = Peer(chosen.rsigma, Path(folder))
        rates, loading = measured(peer, files, plain, fresh, chosen.runs)
        for line in surroundings(Path(chosen.stream)):
            print(line)
        print(f"core {core}, {len(plain.ours):,} events, {chosen.runs} paired runs, medians")
        _print(rates, loading)
        engine = _loaded()
        for name, stream in (("as they are", plain), ("every value new", fresh)):
            _write(files["one"], stream.theirs)
            print(f"matches, {name}: {compared(engine, stream, peer.matches(files['one']))}")


def measured(
    peer: Peer, files: Mapping[str, Path], plain: Stream, fresh: Stream, runs: int
) -> tuple[Rates, Rates]:
    """Events a second and seconds of loading, run after run."""
    rates: Rates = {name: [] for name in ROWS}
    loading: Rates = {"rsigma": [], "citysoc": []}
    count, theirs = len(plain.ours), REPEATS * len(plain.theirs)
    for _ in range(runs):
        idle = peer.seconds(files["one"])
        loading["rsigma"].append(idle)
        rates["rsigma"].append(theirs / (peer.seconds(files["as they are"]) - idle))
        began = time.process_time()
        engine = _loaded()
        loading["citysoc"].append(time.process_time() - began)
        for name in ("first", "second"):
            rates[name].append(count / _passed(engine, plain.ours))
        rates["rsigma new"].append(
            REPEATS * count / (peer.seconds(files["every value new"]) - idle)
        )
        rates["new"].append(count / _passed(engine, fresh.ours))
    return rates, loading


def compared(engine: Engine, stream: Stream, theirs: Counter[tuple[int, str]]) -> str:
    """Says how the matches differ; ends the run where that is not by a second category."""
    ours: Counter[tuple[int, str]] = Counter()
    for start, record in enumerate(records(stream.ours)):
        for position, rule in engine.match_lines(record):
            ours[start * len(records(stream.ours)[0]) + position, rule.id] += 1
    more = ours - theirs
    unjust = [
        (place, rule)
        for place, rule in more
        if engine.rules[rule].logsource.category in ("", loads(stream.theirs[place])["category"])
    ]
    if unjust or theirs - ours:
        raise SystemExit(f"differ without a reason: {unjust[:5]} and {list(theirs - ours)[:5]}")
    rules = Counter(engine.rules[rule].title for _, rule in more.elements())
    listed = "; ".join(f"{title} ({times})" for title, times in rules.most_common())
    return (
        f"{theirs.total():,} in common; {more.total()} more here, all of rules that ask for the "
        f"second category of an event of two: {listed}"
    )


def _loaded() -> Engine:
    engine = load([CORPORA / "sigma-rules" / name for name in RULE_SETS])
    gc.collect()
    gc.freeze()
    return engine


def _passed(engine: Engine, lines: Sequence[bytes]) -> float:
    """Seconds of processor time that all lines took."""
    in_records = records(list(lines))
    began = time.process_time()
    for record in in_records:
        engine.match_lines(record)
    return time.process_time() - began


def _files(folder: Path, plain: Stream, fresh: Stream) -> dict[str, Path]:
    lines = {
        "one": plain.theirs[:1],
        "as they are": plain.theirs * REPEATS,
        "every value new": fresh.theirs * REPEATS,
    }
    files = {name: folder / f"{name.replace(' ', '-')}.ndjson" for name in lines}
    for name, path in files.items():
        _write(path, lines[name])
    return files


def _write(path: Path, lines: Sequence[bytes]) -> None:
    path.write_bytes(b"\n".join(lines) + b"\n")


def _print(rates: Rates, loading: Rates) -> None:
    for name, found in rates.items():
        base = rates["rsigma new" if "new" in name else "rsigma"]
        ratio = statistics.median(ours / other for ours, other in zip(found, base, strict=True))
        spread = f"{min(found):,.0f} to {max(found):,.0f}"
        print(f"{ROWS[name]:26} {statistics.median(found):10,.0f} events/s ({spread}), {ratio:.2f}")
    for name, found in loading.items():
        print(f"{name} loads in {statistics.median(found):.2f} s")


if __name__ == "__main__":
    sys.exit(main())
