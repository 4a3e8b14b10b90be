"""Files of events for a replay: NDJSON, CSV with a header, Zeek's TSV or plain lines."""

import csv
import gzip
import hashlib
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypedDict

import msgspec

from collectors import codec
from collectors.bus.contract import Malformed
from collectors.formats import parse
from collectors.formats.parsed import PARSE_FAILED
from collectors.formats.times import TIME_FIELDS, event_time, moment_of
from collectors.sources.body import UTF8_MARK
from collectors.sources.files import split_lines
from detection.anomaly.decoding import ENVELOPE, decoder
from detection.anomaly.profile import Profile, fields_of, text_of

MAX_COLUMNS: Final = 2_000
TIME: Final = "time"
ZEEK: Final = (b"#separator", b"#fields", b"#path")
_STEP, _MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1

Fields = Mapping[str, Any]


class _Envelope(TypedDict, total=False):
    """What a replay looks at where an event went through our doors."""

    id: Any
    time: Any


class Read(msgspec.Struct, frozen=True, gc=False):
    """An event of a file."""

    fields: Fields
    time: float | None
    """Unix seconds, None where it says none."""
    id: int


def read(path: Path, profile: Profile, names: Mapping[str, str]) -> Iterator[Read]:
    """The events of a file in its order; lines that are none of its format are left out.

    `names` maps the profile's field names, and `time`, to the file's own. Raises Malformed for a
    broken archive, OSError where the file can't be read.
    """
    identity = _digest(path)
    asked = frozenset({*fields_of(profile), *names.values(), *TIME_FIELDS})
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            lines = (line for line in split_lines(stream) if line and not line.isspace())
            for number, fields in enumerate(_fields(lines, path, profile, asked)):
                event = {**fields, **_renamed(fields, names)} if names else fields
                yield Read(event, _time(event, names.get(TIME)), _id(event, identity, number))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Malformed(f"{path}: expected a whole gzip file: {error}") from error


def _digest(path: Path) -> int:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=8))
    return int.from_bytes(digest.digest())


def _id(fields: Fields, identity: int, number: int) -> int:
    """The event's own id where it went through our doors, else its place in the file."""
    soc = fields.get(ENVELOPE)
    if isinstance(soc, dict) and isinstance(soc.get("id"), str):
        digest = hashlib.blake2b(soc["id"].encode("utf-8", "replace"), digest_size=8)
        return int.from_bytes(digest.digest())
    return (identity + number * _STEP) & _MASK


def _time(fields: Fields, name: str | None) -> float | None:
    if name is not None:
        moment = moment_of(fields.get(name))
    else:
        soc = fields.get(ENVELOPE)
        moment = moment_of(soc.get("time")) if isinstance(soc, dict) else None
        moment = moment or event_time(fields)
    return None if moment is None else moment.timestamp()


def _renamed(fields: Fields, names: Mapping[str, str]) -> dict[str, Any]:
    return {ours: text_of(fields, theirs) for ours, theirs in names.items() if ours != TIME}


def _fields(
    lines: Iterator[bytes], path: Path, profile: Profile, asked: frozenset[str]
) -> Iterator[Fields]:
    """Every event's fields, at least those `asked`, by what the first line looks like."""
    first = next(lines, None)
    if first is None:
        return
    first = first.removeprefix(UTF8_MARK)
    if first.lstrip().startswith(b"{"):
        yield from _objects(_again(first, lines), asked)
    elif first.startswith(ZEEK):
        yield from _zeek(_again(first, lines), asked)
    elif _is_header(first, profile):
        yield from _table(_again(first, lines), asked)
    else:
        yield from _plain(_again(first, lines), path, profile)


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _objects(lines: Iterator[bytes], asked: frozenset[str]) -> Iterator[Fields]:
    within = any(name.partition(".")[0] == ENVELOPE for name in asked)
    decode = decoder(asked, Any if within else _Envelope)
    for line in lines:
        fields: Fields | None = decode(line)
        if fields is None:
            fields = _whole(line)
        if fields is not None:
            yield fields


def _whole(line: bytes) -> Fields | None:
    """Decode every value; None for what is no object."""
    try:
        value = codec.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _zeek(lines: Iterator[bytes], asked: frozenset[str]) -> Iterator[Fields]:
    columns = Columns((), asked)
    for line in lines:
        if line.startswith(b"#"):
            if line.startswith(b"#fields"):
                columns = Columns(_text(line).split("\t")[1:], asked)
            continue
        yield columns.of(_text(line).split("\t", columns.width))


class Columns:
    """Those columns of a table that are asked for."""

    def __init__(self, names: Sequence[str], asked: Collection[str]) -> None:
        places = {name: at for at, name in enumerate(names) if name in asked}
        self._names = names
        self._places = list(places.items())
        self.width = 1 + max(places.values(), default=0)
        """Of a row no more cells are looked at."""

    def of(self, row: Sequence[str]) -> Fields:
        """A row's fields."""
        if len(row) < self.width:
            return dict(zip(self._names, row, strict=False))
        return {name: row[at] for name, at in self._places}


def _is_header(line: bytes, profile: Profile) -> bool:
    """Whether a line names the profile's entity, or two of its fields, as columns."""
    columns = set(_text(line).split(","))
    wanted = {profile.entity, *(name for facet in profile.facets for name in facet.fields)}
    return len(columns) > 1 and (profile.entity in columns or len(columns & wanted) > 1)


def _table(lines: Iterator[bytes], asked: frozenset[str]) -> Iterator[Fields]:
    rows = csv.reader(map(_text, lines))
    try:
        columns = Columns(next(rows)[:MAX_COLUMNS], asked)
        yield from map(columns.of, rows)
    except csv.Error as error:
        raise Malformed(f"expected CSV with a header: {error}") from error


def _plain(lines: Iterator[bytes], path: Path, profile: Profile) -> Iterator[Fields]:
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
                **({} if text_of(parsed.fields, profile.entity) else {profile.entity: name}),
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
