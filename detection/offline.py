"""Rules over files, without a running system: the work behind `citysoc detect`."""

import gc
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, TextIO

import yaml

from collectors.bus.contract import Malformed
from collectors.codec import dumps
from collectors.sources.files import ENDINGS
from detection.correlated import Correlated
from detection.records import events
from detection.schema_view import known_view
from detection.sigma import Engine, RuleInfo, load
from rules.schemas import NATIVE

WRONG_CALL = 2
FLUSH_BYTES = 65_536
PROGRESS_EVERY = 20_000
"""Events between two words on the progress, on a terminal."""


def detect(
    rule_paths: Sequence[str],
    event_paths: Sequence[str],
    *,
    pipelines: Sequence[str] = (),
    lists: str | None = None,
    schema: str = NATIVE,
    out: BinaryIO,
    err: TextIO,
    stats: bool = False,
    started: float | None = None,
) -> int:
    """Match files of events against rules; every rule counts, whatever its level.

    `lists` is a YAML file of `placeholder: [values]`, `schema` whose names the events' fields have
    (rules/mappings). Writes a JSON object for each match to
    `out`, one a line, and rule faults, notices and (with `stats`) one JSON line of figures to
    `err`. `started` is the time.perf_counter() that loading is counted from. Returns the exit
    code: 0, or 2 where a path or file named in the call is not usable.
    """
    began = time.perf_counter() if started is None else started
    try:
        for path in event_paths:
            check_file(path)
        known_view(schema)
        engine = load(rule_paths, pipelines=pipelines, lists=read_lists(lists))
    except (OSError, ValueError, Malformed) as error:
        print(f"citysoc detect: {error}", file=err)
        return WRONG_CALL
    for fault in engine.faults:
        print(fault, file=err)
    for notice in engine.notices:
        print(f"{notice} (loaded)", file=err)
    gc.collect()
    gc.freeze()  # the rules are here to stay, so the collector need not walk them again
    loaded = time.perf_counter()
    run = _Run(engine, schema, out, err)
    try:
        for path in event_paths:
            run.file(path)
        for remark in run.correlate():
            print(f"citysoc detect: {remark}", file=err)
        run.finish()
    except BrokenPipeError:  # whoever reads the matches has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        return 0
    except (OSError, Malformed) as error:
        run.finish()
        print(f"citysoc detect: {error}", file=err)
        return WRONG_CALL
    if stats:
        print(json.dumps(run.figures(loaded - began, time.perf_counter() - loaded)), file=err)
    return 0


def read_lists(path: str | None) -> Mapping[str, Sequence[str]]:
    """Read `placeholder: [values]`. Raises ValueError for anything else, OSError if not there."""
    if path is None:
        return {}
    try:
        content = yaml.load(Path(path).read_bytes(), Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"lists file '{path}' is not YAML: {error}") from error
    if not isinstance(content, dict) or not all(
        isinstance(values, list) for values in content.values()
    ):
        raise ValueError(f"lists file '{path}': expected a map of `placeholder: [values]`")
    return {str(name): [str(value) for value in values] for name, values in content.items()}


class _Run:
    """One pass over files with one engine; counts and writes as it goes."""

    def __init__(self, engine: Engine, schema: str, out: BinaryIO, err: TextIO) -> None:
        self._engine = engine
        self._schema = schema
        self._out = out
        self._progress = err if err.isatty() else None
        self._pending: list[bytes] = []
        self._events = 0
        self._matches = 0
        self._unspoken = engine.unspoken
        self._correlated = Correlated(engine.correlations) if engine.correlations else None

    def file(self, path: str) -> None:
        """Match every event of one file."""
        head = b'{"file":' + dumps(path) + b',"event":'
        match, unspoken, correlated = self._engine.match, self._unspoken, self._correlated
        if correlated is not None:
            correlated.begin(path)
        for event in events(path, self._schema):
            fields = event.fields
            if fields is not None:
                for rule in match(fields, event.logsources, event.line):
                    if rule.id not in unspoken:
                        self._write(head + b"%d" % event.number + _tail(rule))
                    if correlated is not None:
                        correlated.add(rule.id, event)
            self._events += 1
            if self._progress is not None and self._events % PROGRESS_EVERY == 0:
                print(f"\r{self._events:,} events", end="", file=self._progress, flush=True)

    def correlate(self) -> list[str]:
        """All events have been seen: write what correlations make of them; returns remarks."""
        if self._correlated is None:
            return []
        for match in self._correlated.close():
            if match["rule"] not in self._unspoken:
                self._write(dumps(match) + b"\n")
        return self._correlated.remarks()

    def finish(self) -> None:
        """Write what is still to be written."""
        if self._progress is not None:
            print("\r\x1b[K", end="", file=self._progress, flush=True)
        self._out.writelines(self._pending)
        self._pending.clear()
        self._out.flush()

    def figures(self, load_seconds: float, seconds: float) -> dict[str, float]:
        """What `--stats` prints."""
        return {
            "rules": self._engine.size,
            "rules_failed": self._engine.failed,
            "load_seconds": round(load_seconds, 3),
            "events": self._events,
            "seconds": round(seconds, 6),
            "events_per_second": round(self._events / seconds) if seconds else 0,
            "matches": self._matches,
        }

    def _write(self, line: bytes) -> None:
        self._matches += 1
        self._pending.append(line)
        if len(self._pending) * len(line) > FLUSH_BYTES:
            self._out.writelines(self._pending)
            self._pending.clear()


def check_file(path: str) -> None:
    """Raises ValueError for a path that can't be read, before any time goes into loading rules."""
    if path == "-":
        return
    if not Path(path).is_file():
        raise ValueError(f"no events at '{path}': expected a file")
    if Path(path.removesuffix(".gz")).suffix.lower() not in ENDINGS:
        known = ", ".join(ENDINGS)
        raise ValueError(f"'{path}' is of no known kind: its name should end in one of {known}")


def _tail(rule: RuleInfo) -> bytes:
    rest = dumps({"rule": rule.id, "title": rule.title, "level": rule.level})
    return b"," + rest[1:] + b"\n"
