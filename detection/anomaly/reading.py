"""Files of events for a replay: NDJSON, CSV with a header, Zeek's TSV or plain lines."""

import csv
import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, TypedDict

import msgspec

from collectors import codec
from collectors.bus.contract import Malformed
from collectors.formats import parse
from collectors.formats.parsed import PARSE_FAILED
from collectors.formats.times import EARLIEST, LATEST, TIME_FIELDS, moment_of
from collectors.sources.body import UTF8_MARK
from collectors.sources.files import split_lines
from detection.anomaly.decoding import ENVELOPE, decoder
from detection.anomaly.profile import Profile, Row, columns_of, row_of, text_of, value_of

MAX_COLUMNS: Final = 2_000
TIME: Final = "time"
ZEEK: Final = (b"#separator", b"#fields", b"#path")
_FIRST, _LAST = EARLIEST.timestamp(), LATEST.timestamp()
_STEP, _MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1

Fields = Mapping[str, Any]


class _Envelope(TypedDict, total=False):
    """What a replay looks at where an event went through our doors."""

    id: Any
    time: Any


class Read(msgspec.Struct, frozen=True, gc=False):
    """An event of a file."""

    row: Row
    """Its values, in the order of `columns`."""
    time: float | None
    """Unix seconds, None where it says none."""
    id: int


def columns(profile: Profile, names: Mapping[str, str]) -> tuple[str, ...]:
    """The fields that are read of an event, its envelope the last; see `read`."""
    asked = dict.fromkeys([*_looked_at(profile, names), *TIME_FIELDS])
    asked.pop(ENVELOPE, None)
    return (*asked, ENVELOPE)


def read(path: Path, profile: Profile, names: Mapping[str, str]) -> Iterator[Read]:
    """The events of a file in its order; lines that are none of its format are left out.

    `names` maps the profile's field names, and `time`, to the file's own. Raises Malformed for a
    broken archive, OSError where the file can't be read.
    """
    identity, asked = _digest(path), columns(profile, names)
    envelope = Any if ENVELOPE in _looked_at(profile, names) else _Envelope
    clock = _clock(asked, names.get(TIME))
    renamed = {ours: theirs for ours, theirs in names.items() if ours != TIME}
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            lines = filter(bytes.strip, split_lines(stream))
            for number, found in enumerate(_rows(lines, path, profile, asked, envelope)):
                row = _renamed(found, asked, renamed) if renamed else found
                yield Read(row, clock(row), _id(row[-1], identity, number))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Malformed(f"{path}: expected a whole gzip file: {error}") from error


def _looked_at(profile: Profile, names: Mapping[str, str]) -> list[str]:
    theirs = names.values()
    return [*columns_of(profile), *theirs, *(name.partition(".")[0] for name in theirs)]


def _digest(path: Path) -> int:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=8))
    return int.from_bytes(digest.digest())


def _id(soc: Any, identity: int, number: int) -> int:
    """The event's own id where it went through our doors, else its place in the file."""
    if isinstance(soc, dict) and isinstance(soc.get("id"), str):
        digest = hashlib.blake2b(soc["id"].encode("utf-8", "replace"), digest_size=8)
        return int.from_bytes(digest.digest())
    return (identity + number * _STEP) & _MASK


def _clock(asked: Sequence[str], name: str | None) -> Callable[[Row], float | None]:
    """Makes the function that tells an event's time from its row."""
    fields = TIME_FIELDS if name is None else (name,)
    places = [asked.index(field) for field in fields]

    def clock(row: Row) -> float | None:
        soc = row[-1]
        if name is None and isinstance(soc, dict):
            time = seconds(soc.get("time"))
            if time is not None:
                return time
        for place in places:
            value = row[place]
            if value is not None:
                time = seconds(value)
                if time is not None:
                    return time
        return None

    return clock


def seconds(value: Any) -> float | None:
    """The time that a value is, to the microsecond."""
    if value.__class__ is float and _FIRST <= value < _LAST:
        # the same as by way of a datetime, in a third of the time
        return (int(value) * 1_000_000 + round(value % 1.0 * 1e6)) / 1_000_000
    moment = moment_of(value)
    return None if moment is None else moment.timestamp()


def _renamed(row: Row, asked: Sequence[str], names: Mapping[str, str]) -> Row:
    fields = dict(zip(asked, row, strict=True))
    mapped = {ours: text_of(value_of(fields, theirs)) for ours, theirs in names.items()}
    return row_of({**fields, **mapped}, asked)


def _rows(
    lines: Iterator[bytes], path: Path, profile: Profile, asked: tuple[str, ...], envelope: Any
) -> Iterator[Row]:
    """Every event's values of the fields `asked`, by what the first line looks like."""
    first = next(lines, None)
    if first is None:
        return iter(())
    first = first.removeprefix(UTF8_MARK)
    every = chain((first,), lines)
    if first.lstrip().startswith(b"{"):
        return _objects(every, asked, envelope)
    if first.startswith(ZEEK):
        return _zeek(every, asked)
    if _is_header(first, profile):
        return _table(every, asked)
    return (row_of(fields, asked) for fields in _plain(every, path, profile))


def _objects(lines: Iterable[bytes], asked: tuple[str, ...], envelope: Any) -> Iterator[Row]:
    decode = decoder(asked[:-1], envelope, optional=True)
    for line in lines:
        row = decode(line)
        if row is None:
            fields = _whole(line)
            row = None if fields is None else row_of(fields, asked)
        if row is not None:
            yield row


def _whole(line: bytes) -> Fields | None:
    """Decode every value; None for what is no object."""
    try:
        value = codec.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _zeek(lines: Iterable[bytes], asked: Sequence[str]) -> Iterator[Row]:
    columns = Columns((), asked)
    for line in lines:
        if line.startswith(b"#"):
            if line.startswith(b"#fields"):
                columns = Columns(_text(line).split("\t")[1:], asked)
            continue
        yield columns.of(_text(line).split("\t", columns.width))


class Columns:
    """Those columns of a table that are asked for."""

    def __init__(self, names: Sequence[str], asked: Sequence[str]) -> None:
        places = {name: at for at, name in enumerate(names) if name in asked}
        self._names = names
        self._asked = asked
        self._picked = itemgetter(*(places.get(name, -1) for name in asked))
        self.width = 1 + max(places.values(), default=0)
        """Of a row no more cells are looked at."""

    def of(self, cells: list[str]) -> Row:
        """The values that are asked for."""
        if len(cells) < self.width:
            return row_of(dict(zip(self._names, cells, strict=False)), self._asked)
        # the last is what columns that are not there have
        row: Row = self._picked([*cells, None])
        return row


def _is_header(line: bytes, profile: Profile) -> bool:
    """Whether a line names the profile's entity, or two of its fields, as columns."""
    columns = set(_text(line).split(","))
    wanted = {profile.entity, *(name for facet in profile.facets for name in facet.fields)}
    return len(columns) > 1 and (profile.entity in columns or len(columns & wanted) > 1)


def _table(lines: Iterable[bytes], asked: Sequence[str]) -> Iterator[Row]:
    rows = csv.reader(map(_text, lines))
    try:
        columns = Columns(next(rows)[:MAX_COLUMNS], asked)
        yield from map(columns.of, rows)
    except csv.Error as error:
        raise Malformed(f"expected CSV with a header: {error}") from error


def _plain(lines: Iterable[bytes], path: Path, profile: Profile) -> Iterator[Fields]:
    """What our formats make of a line; where the profile's fields are not in it, the line itself.

    The entity of such lines is the file's name without its endings.
    """
    wanted = {name for facet in profile.facets for name in facet.fields}
    name = path.name.split(".")[0]
    received = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    for line in lines:
        parsed = parse(line, "auto", received=received)
        if PARSE_FAILED in parsed.marks:
            text = _text(line).strip()
            yield {profile.entity: name, **dict.fromkeys(wanted, text)}
        else:
            yield {
                **({} if wanted & parsed.fields.keys() else dict.fromkeys(wanted, _text(line))),
                **(
                    {}
                    if text_of(value_of(parsed.fields, profile.entity))
                    else {profile.entity: name}
                ),
                **parsed.fields,
            }


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")


def pairs(text: str) -> dict[str, str]:
    """`time=FIELD,…` as written on a command line. Raises ValueError for anything else."""
    found: dict[str, str] = {}
    for part in _parts(text):
        ours, sign, theirs = part.partition("=")
        if not (ours and sign and theirs):
            raise ValueError(f"expected time=FIELD,…, got {text!r}")
        found[ours] = theirs
    return found


def _parts(text: str) -> Iterable[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
