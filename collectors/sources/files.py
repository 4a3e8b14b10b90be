"""Events from files: what is in them, record by record, whatever they are called."""

import gzip
import sys
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from evtx import PyEvtxParser

from collectors import codec
from collectors.bus.contract import Malformed
from collectors.formats import MAX_LINE, Parsed, parse
from collectors.formats.json_object import flat, of_object
from collectors.formats.times import event_time
from collectors.wrapping import each_event

ENDINGS = (".ndjson", ".jsonl", ".json", ".log", ".evtx")
MAX_BROKEN_RECORDS = 100_000
"""Records in a row that an EVTX file may fail to give."""
BLOCK = 1 << 18
MAX_JSON_FILE = 1 << 30
"""Bytes of a `.json` file, which is read whole."""


class Readable(Protocol):
    """An open file of bytes, packed or not."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, none at the end."""


class FileRecord:
    """One record of a file, parsed when it is first looked at."""

    def __init__(
        self,
        index: int,
        line: bytes | None = None,
        *,
        received: datetime,
        given: Parsed | None = None,
        format: str = "json",  # noqa: A002
        error: str | None = None,
    ) -> None:
        self.index = index
        """Counts every record of the file from 0, unreadable ones too."""
        self.line = line
        """The line as it stands in the file, None where a record is not a line."""
        self._received = received
        self._given = given
        self._format = format
        self._error = error

    @cached_property
    def parsed(self) -> Parsed | None:
        """The record's fields, time, format and marks; None where it could not be read."""
        if self._given is not None or self.line is None:
            return self._given
        return parse(self.line, self._format, received=self._received)

    @property
    def fields(self) -> dict[str, Any] | None:
        """The fields; None where the record is not an event."""
        return None if self.error is not None or self.parsed is None else self.parsed.fields

    @property
    def format(self) -> str:
        """What the record was read as."""
        return self._format if self.parsed is None else self.parsed.format

    @property
    def error(self) -> str | None:
        """Why there are no fields; a line of no known format is an event, its own message."""
        if self._error is None and self._format == "json" and self.parsed is not None:
            return "not a JSON object" if "parse_failed" in self.parsed.marks else None
        return self._error


def read_events(path: str, *, received: datetime | None = None) -> Iterator[FileRecord]:
    """Every record of a file in order; `-` is NDJSON on standard input.

    `received` (UTC) gives the year to times that lack one; without it that is when the file was
    last changed. Raises Malformed for a name of no known kind or a broken archive, OSError where
    the file can't be read.
    """
    if path == "-":
        yield from _lines(sys.stdin.buffer, "json", received or datetime.now(UTC))
        return
    plain = path.removesuffix(".gz")
    ending = Path(plain).suffix.lower()
    if ending not in ENDINGS or (ending == ".evtx" and plain != path):
        raise Malformed(
            f"{path}: expected a name that ends in {', '.join(ENDINGS)} (all but .evtx also .gz),"
            " or - for NDJSON on standard input"
        )
    moment = received or datetime.fromtimestamp(Path(path).stat().st_mtime, UTC)
    if ending == ".evtx":
        yield from _evtx(path, moment)
        return
    try:
        with gzip.open(path) if plain != path else Path(path).open("rb") as stream:
            if ending == ".json":
                yield from _values(stream, path, moment)
            else:
                yield from _lines(stream, "auto" if ending == ".log" else "json", moment)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Malformed(f"{path}: expected a whole gzip file: {error}") from error


def _lines(stream: Readable, format: str, received: datetime) -> Iterator[FileRecord]:  # noqa: A002
    """One record a line, or each event that it wraps; blank lines are none."""
    filled = (line for line in split_lines(stream) if line and not line.isspace())
    for index, line in enumerate(each_event(filled)):
        yield FileRecord(index, line, received=received, format=format)


def split_lines(stream: Readable) -> Iterator[bytes]:
    """Lines without their ends; of a line over MAX_LINE, its first MAX_LINE + 1 bytes."""
    pending = b""
    overlong = False
    while block := stream.read(BLOCK):
        first, *rest = block.split(b"\n")
        pending = pending if overlong else pending + first
        if not rest:
            overlong = overlong or len(pending) > MAX_LINE
            pending = pending[: MAX_LINE + 1]
            continue
        yield pending[: MAX_LINE + 1].removesuffix(b"\r")
        pending, overlong = rest.pop(), False
        for line in rest:
            yield line.removesuffix(b"\r")
    if pending:
        yield pending


def _values(stream: Readable, path: str, received: datetime) -> Iterator[FileRecord]:
    """One value, the elements of one array, or values one after another."""
    data = stream.read(MAX_JSON_FILE + 1)
    if len(data) > MAX_JSON_FILE:
        raise Malformed(f"{path}: over {MAX_JSON_FILE} bytes; write it as .ndjson instead")
    for index, value in enumerate(codec.load_many(data)):
        if isinstance(value, dict):
            yield FileRecord(index, received=received, given=of_object(value))
        else:
            error = str(value) if isinstance(value, ValueError) else "not a JSON object"
            yield FileRecord(index, received=received, error=error)


def _evtx(path: str, received: datetime) -> Iterator[FileRecord]:
    """Records of a Windows event log file, in the order of the file."""
    try:
        records = iter(PyEvtxParser(path).records_json())
    except (OSError, RuntimeError) as error:
        raise Malformed(f"{path}: expected a Windows event log: {error}") from error
    broken = index = 0
    while broken < MAX_BROKEN_RECORDS:
        try:
            record = next(records, None)
        except RuntimeError as error:
            broken += 1
            yield FileRecord(index, received=received, format="evtx", error=str(error))
        else:
            if record is None:
                return
            broken = 0
            yield _evtx_record(index, record["data"].encode("utf-8", "surrogatepass"), received)
        index += 1


def _evtx_record(index: int, data: bytes, received: datetime) -> FileRecord:
    try:
        fields = flat(codec.loads(data))
    except ValueError as error:
        return FileRecord(index, received=received, format="evtx", error=str(error))
    given = Parsed(fields=fields, time=event_time(fields), format="evtx")
    return FileRecord(index, received=received, format="evtx", given=given)
