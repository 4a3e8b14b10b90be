"""Records of files as events, with the log sources that each is of."""

import gzip
import io
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from collectors.codec import loads_within, within
from collectors.formats.json_object import flat
from collectors.formats.parsed import MAX_LINE
from collectors.formats.times import event_time
from collectors.logsource import LogSource
from collectors.recognise import READS, WINDOWS_FIELDS, hinted, logsources
from collectors.sources.files import read_events
from collectors.wrapping import each_event
from detection.schema_view import View, known_view
from rules.schemas import NATIVE

CHUNK_BYTES = 1 << 18
MAX_SHAPES = 10_000
"""Kinds of events whose recognition is remembered."""
LINES = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")


class Event(msgspec.Struct, frozen=True):
    """One record of a file."""

    number: int
    """Counts every record of the file from 0."""
    fields: dict[str, Any] | None
    """None where the record is not an event."""
    logsources: tuple[LogSource, ...]
    line: bytes
    """The JSON that the fields come from, empty where it is none."""
    parsed_time: datetime | None = None
    """What a format other than JSON says that the time is."""

    @property
    def time(self) -> datetime | None:
        """When it happened, UTC."""
        return self.parsed_time or (None if self.fields is None else event_time(self.fields))


def events(path: str, schema: str = NATIVE) -> Iterator[Event]:
    """Every record of a file, with Sigma's names where it is of another schema.

    An event's own `logsource` object replaces recognition. Raises ValueError for no such schema.
    """
    shown = known_view(schema)
    if shown is None:
        return _events(path)
    return (_shown(each, shown) for each in _events(path))


def _shown(event: Event, view: View) -> Event:
    if event.fields is None:
        return event
    fields, _ = within(view(event.fields, event.logsources))
    return msgspec.structs.replace(event, fields=fields, line=b"", parsed_time=event.time)


def _events(path: str) -> Iterator[Event]:
    recognise = _Recogniser()
    if path == "-" or path.endswith(LINES):
        for number, line in enumerate(each_event(_lines(path))):
            fields, cut = _object(line)
            if fields is None:
                yield Event(number, None, (), b"")
            else:
                yield Event(number, fields, recognise(fields, "json"), b"" if cut else line)
        return
    for record in read_events(path):
        found = record.fields
        sources = recognise(found, record.format) if found is not None else ()
        time = None if record.parsed is None else record.parsed.time
        yield Event(record.index, found, sources, b"", time)


def _lines(path: str) -> Iterator[bytes]:
    """The lines of a file or of standard input that are not blank."""
    rest = b""
    with _opened(path) as stream:
        while chunk := stream.read1(CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line and not line.isspace():
                    yield line
    if rest and not rest.isspace():
        yield rest


def _opened(path: str) -> gzip.GzipFile | io.BufferedReader:
    if path == "-":
        return open(sys.stdin.fileno(), "rb", closefd=False)
    return gzip.open(path) if path.endswith(".gz") else Path(path).open("rb")


def _object(line: bytes) -> tuple[dict[str, Any] | None, bool]:
    """The fields of a line of JSON as far as they are within bounds, and whether that is less.

    None where it is not an object or too long for any door.
    """
    if len(line) > MAX_LINE:
        return None, False
    try:
        value, cut = loads_within(line)
    except ValueError:
        return None, False
    return (flat(value) if isinstance(value, dict) else None), cut


class _Recogniser:
    """Says what an event is, and remembers it for Windows events of one kind."""

    def __init__(self) -> None:
        self._plain: dict[tuple[str, ...], bool] = {}
        self._known: dict[tuple[Any, ...], tuple[LogSource, ...]] = {}

    def __call__(self, fields: dict[str, Any], form: str) -> tuple[LogSource, ...]:
        if "logsource" in fields and (hints := hinted(fields)):
            return hints
        shape = tuple(fields)
        plain = self._plain.get(shape)
        if plain is None:
            plain = self._remember(shape)
        if not plain:
            return logsources(fields, form)
        channel, provider, event = map(fields.get, WINDOWS_FIELDS)
        simple = (channel.__class__ is str or channel is None) and event.__class__ is int
        if not simple or not (provider.__class__ is str or provider is None):
            return logsources(fields, form)
        key = (form, channel, provider, event)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = logsources(fields, form)
        return found

    def _remember(self, shape: tuple[str, ...]) -> bool:
        if len(self._plain) > MAX_SHAPES or len(self._known) > MAX_SHAPES:
            self._plain.clear()
            self._known.clear()
        plain = self._plain[shape] = READS.intersection(shape).issubset(WINDOWS_FIELDS)
        return plain
