"""One stream of Windows events with log-source hints from one table, as each engine reads them."""

import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from collectors.codec import dumps, loads
from collectors.event import Soc, encode
from collectors.logsource import LogSource
from collectors.recognise import logsources
from detection.records import events

KEPT = frozenset({"EventID", "Channel", "Provider_Name"})
"""Strings that stay as they are where every value is new."""
SEED = 5
WHEN = "2026-11-24T13:47:03.123456Z"
UNSAID = "none"
"""What a rule cannot ask for; to leave a part out would mean any to rsigma, nothing to us."""
PLACE = "bench_place"
"""A field that no rule looks at: the position in the stream, to compare matches by."""


class Stream(NamedTuple):
    """The same events in the same order, one JSON line each."""

    ours: list[bytes]
    theirs: list[bytes]


def streams(path: Path) -> tuple[Stream, Stream]:
    """The events as they are, and with a counter within every string that is not KEPT."""
    found = [(event.fields, event.line) for event in events(str(path)) if event.fields is not None]
    random.Random(SEED).shuffle(found)
    plain = [loads(line) for _, line in found]
    sources = [logsources(fields, "json") for fields in plain]
    counter = iter(range(10**9))
    fresh = [_with_new_values(fields, counter) for fields in plain]
    return _stream(plain, sources), _stream(fresh, sources)


def _stream(found: Iterable[dict[str, Any]], sources: list[tuple[LogSource, ...]]) -> Stream:
    ours, theirs = [], []
    for place, (fields, said) in enumerate(zip(found, sources, strict=True)):
        placed = {**fields, PLACE: place}
        ours.append(encode(placed, _envelope(place, said)))
        theirs.append(dumps({**placed, **_hints(said)}))
    return Stream(ours, theirs)


def _envelope(place: int, said: tuple[LogSource, ...]) -> Soc:
    return Soc(
        v=1,
        id=f"{place:032x}",
        tenant="harbour",
        source="windows",
        received=WHEN,
        time=WHEN,
        logsources=tuple(map(str, said)),
        related={"host": ["workstation.harbour.example"], "user": ["somebody"]},
    )


def _hints(said: tuple[LogSource, ...]) -> dict[str, str]:
    """rsigma takes one of each part; the first of several categories is the more special one."""
    first = said[0] if said else LogSource()
    return {part: value or UNSAID for part, value in first._asdict().items()}


def _with_new_values(fields: dict[str, Any], counter: Iterator[int]) -> dict[str, Any]:
    return {
        name: _numbered(value, next(counter) % 10**6)
        if isinstance(value, str) and name not in KEPT
        else value
        for name, value in fields.items()
    }


def _numbered(text: str, number: int) -> str:
    middle = len(text) // 2
    return f"{text[:middle]}{number:06}{text[middle:]}"


def records(lines: list[bytes], size: int = 50) -> list[list[bytes]]:
    """Lines as they come in bus records."""
    return [lines[start : start + size] for start in range(0, len(lines), size)]


def matched_place(match: bytes) -> tuple[int, str]:
    """Position in the stream and rule of a line of rsigma's output with the event in it."""
    found = msgspec.json.decode(match)
    return found["event"][PLACE], found["rule_id"]
