"""How the engine bears growth: `python -m tests.bench.scale [loading|memory|rules|processes ...]`.

Seconds until rules are loaded, with and without what was compiled before; memory of one process
after a million events; ten times the rules, made by varying real ones; two processes over two
files.
"""

import gc
import hashlib
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from detection.sigma import Engine, load
from detection.sigma.ruleset import build
from detection.sigma.stored import CACHE_ENVIRONMENT
from rules.catalog import Catalog, Rule, parse, read
from rules.documents import Document
from tests.bench.engine import CORPORA, RULE_SETS, surroundings
from tests.bench.hinted import records, streams

STREAM = CORPORA / "streams" / "windows.ndjson.gz"
RULES = [CORPORA / "sigma-rules" / name for name in RULE_SETS]
MILLION = 1_000_000
TIMES, PAIRS = 10, 3
Given = TypeVar("Given")
Told = TypeVar("Told")
_ADDRESS = re.compile(r"[0-9a-fA-F.:]+(/\d+)?")
_END = re.compile(r"(?<!\\)\$")

LOOP = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
began, x = time.perf_counter(), 1
for _ in range(30_000_000):
    x = (x * 5 + 1) & 127
print(time.perf_counter() - began)
"""
CHANGED = """
title: A rule that is being written
id: 5d0c6d0e-3c2b-4f4b-9a51-0d1f6a7e2b11
logsource: {{category: process_creation, product: windows}}
detection:
    selection:
        Image|endswith: '\\being-written.exe'
        CommandLine|contains: '{}'
    condition: selection
"""


def loading() -> None:
    """Wall time of `load` in fresh processes: nothing on disk, all of it, one rule changed."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ[CACHE_ENVIRONMENT] = str(Path(folder) / "cache")
        rule = Path(folder) / "changed.yml"
        rule.write_text(CHANGED.format("one"))
        paths = [*RULES, rule]
        print(f"loading: {_alone(_seconds_to_load, paths):.2f} s the first time, wall time")
        again = [_alone(_seconds_to_load, paths) for _ in range(5)]
        changed = []
        for turn in range(5):
            rule.write_text(CHANGED.format(f"turn {turn}"))
            changed.append(_alone(_seconds_to_load, paths))
        del os.environ[CACHE_ENVIRONMENT]
    for name, found in (("all of it on disk", again), ("one rule changed", changed)):
        print(f"loading: {sorted(found)[2]:.2f} s with {name} (5 times, {max(found):.2f} at most)")


def memory() -> None:
    """A third of a million events as they are, two thirds with every value new."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "plain.ndjson", Path(folder) / "fresh.ndjson"]
        _alone(_write, files)
        engine = _ready(load(RULES))
        print(f"memory: {_resident():.0f} MiB loaded")
        done = turn = 0
        while done < MILLION:
            turn += 1
            for record in _read(files[turn % 3 > 0]):
                found = (
                    [line.replace(b"0", b"%d" % turn) for line in record] if turn % 3 else record
                )
                engine.match_lines(found)
                done += len(record)
    print(f"memory: {_resident():.0f} MiB after {done:,} events, {_peak():.0f} at most")
    print(f"memory: the engine's own memories were full {engine.forgotten} times")


def rules() -> None:
    """Time per event with all rules and with ten times as many, in pairs of fresh processes.

    What Hyperscan compiles comes from disk, as in all runs but an installation's first.
    """
    pairs = [[_alone(_both_passes, times) for times in (1, TIMES)] for _ in range(1 + PAIRS)][1:]
    for count, first, second in (run for pair in pairs for run in pair):
        print(f"rules: {count:,} take {first:.3f} s with empty memories, then {second:.3f} s")
    for place, name in ((1, "with empty memories"), (2, "once values are known")):
        growth = sorted(many[place] / few[place] for few, many in pairs)
        told = ", ".join(f"{each:.2f}" for each in growth)
        print(f"rules: time per event grows {growth[PAIRS // 2]:.2f}-fold {name} ({told})")


def _both_passes(times: int) -> tuple[int, float, float]:
    """With so many times the rules: how many those are, seconds of a first pass and of another."""
    plain, _ = streams(STREAM)
    written = read(RULES).rules
    found = [_variant(rule, turn) for turn in range(times) for rule in written]
    usable = sorted((rule for rule in found if rule), key=lambda rule: rule.info.id)
    engine = _ready(build(Catalog(usable), "varied"))
    return len(engine.rules), _passed(engine, plain.ours), _passed(engine, plain.ours)


def processes() -> None:
    """Two processes over a file each against one over both, in wall time net of loading.

    Beside it what the machine itself gives two processes that share nothing at all.
    """
    plain, _ = streams(STREAM)
    with tempfile.TemporaryDirectory() as folder:
        halves = [Path(folder) / "a.ndjson", Path(folder) / "b.ndjson"]
        lines = plain.theirs * 10
        for half, path in enumerate(halves):
            path.write_bytes(b"\n".join(lines[half::2]) + b"\n")
        both = Path(folder) / "both.ndjson"
        both.write_bytes(b"".join(path.read_bytes() for path in halves))
        rates, ceilings = [], []
        for _ in range(3):
            ceilings.append(2 * _spun(1) / _spun(2))
            one, alone = _detected([both])
            two, shared = _detected(halves)
            if sorted(alone) != sorted(shared):
                raise SystemExit("one process and two differ in what they find")
            rates.append(one / two)
    for name, found in (("", rates), (" of a loop over small integers", ceilings)):
        told = ", ".join(f"{each:.2f}" for each in found)
        print(f"processes: two{name} are {sorted(found)[1]:.2f} times as quick as one ({told})")


def _spun(copies: int) -> float:
    """The slowest of so many loops, each on a core of its own, that need next to no memory."""
    cores = sorted(os.sched_getaffinity(0))[-copies:]
    running = [
        subprocess.Popen([sys.executable, "-c", LOOP, str(core)], stdout=subprocess.PIPE)
        for core in cores
    ]
    return max(float(process.communicate()[0]) for process in running)


def _detected(paths: list[Path]) -> tuple[float, list[str]]:
    """The slowest process's seconds, and what was found, whichever file it was in.

    Each writes to files, as nobody reads the pipe of the second before the first has ended.
    """
    call = [sys.executable, "-m", "deploy", "detect", "--stats"]
    call += [part for path in RULES for part in ("--rules", str(path))]
    slowest, found = 0.0, []
    with ExitStack() as opened:
        running = []
        for path in paths:
            out, err = (opened.enter_context(tempfile.TemporaryFile()) for _ in range(2))
            process = subprocess.Popen([*call, str(path)], stdout=out, stderr=err)
            running.append((process, out, err))
        for process, out, err in running:
            process.wait()
            out.seek(0)
            err.seek(0)
            said = err.read()
            figures = re.search(rb'"seconds": ([\d.]+)', said)
            if figures is None:
                raise SystemExit(said.decode())
            slowest = max(slowest, float(figures[1]))
            found += [line.partition(b'"rule"')[2].decode() for line in out]
    return slowest, found


def _variant(rule: Rule, turn: int) -> Rule | None:
    """The rule as it is, or with a number in every text that it looks for."""
    if turn == 0:
        return rule
    content = dict(rule.document.content)
    digest = hashlib.blake2b(f"{rule.info.id} {turn}".encode(), digest_size=16).digest()
    content["id"] = str(uuid.UUID(bytes=digest))
    content["detection"] = {
        name: part if name in ("condition", "timeframe") else _varied(part, turn)
        for name, part in content["detection"].items()
    }
    return parse(Document(rule.info.path, rule.info.line, content, {}), [])


def _varied(part: Any, turn: int, *, regex: bool = False) -> Any:
    if isinstance(part, dict):
        return {
            name: _varied(each, turn, regex=name.partition("|")[2].startswith("re"))
            for name, each in part.items()
        }
    if isinstance(part, list):
        return [_varied(each, turn, regex=regex) for each in part]
    if regex and isinstance(part, str) and _END.search(part):
        return _END.sub(f"{turn}$", part)  # behind the end nothing could ever match
    if isinstance(part, str) and part and not _ADDRESS.fullmatch(part):
        return f"{part}{turn}"
    return part


def _ready(engine: Engine) -> Engine:
    gc.collect()
    gc.freeze()
    return engine


def _passed(engine: Engine, lines: list[bytes]) -> float:
    began = time.process_time()
    for record in records(lines):
        engine.match_lines(record)
    return time.process_time() - began


def _alone(what: Callable[[Given], Told], given: Given) -> Told:
    """What a function says in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(what, given).result()


def _seconds_to_load(paths: Sequence[Path]) -> float:
    began = time.perf_counter()
    load(paths)
    return time.perf_counter() - began


def _write(files: Sequence[Path]) -> None:
    """The stream as it is, and with every value new."""
    for path, stream in zip(files, streams(STREAM), strict=True):
        path.write_bytes(b"".join(line + b"\n" for line in stream.ours))


def _read(path: Path, size: int = 50) -> Iterator[list[bytes]]:
    with path.open("rb") as lines:
        while record := [line.rstrip(b"\n") for line in islice(lines, size)]:
            yield record


def _peak() -> float:
    """MiB that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _resident() -> float:
    """MiB of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


PARTS = {"loading": loading, "memory": memory, "rules": rules, "processes": processes}


def _asked() -> Iterator[str]:
    yield from sys.argv[1:] or PARTS


if __name__ == "__main__":
    for said in surroundings(STREAM):
        print(said)
    for name in _asked():
        PARTS[name]()
