"""What is watched in a log source, read from a profile, and an event as the profile sees it."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import yaml

from collectors.bus.contract import Malformed

Kind = Literal["host", "user", "address"]

MAX_FACETS: Final = 12
MAX_TEXT: Final = 160
"""Characters of a value that are looked at."""
MAX_EXACT: Final = 1 << 53
"""Whole numbers below are exact as floats."""
ABSENT: Final = frozenset({"", "-", "(empty)"})
"""How log sources write that a field has no value."""

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_SHORTEST, _LONGEST = 1.0, 86400.0


class Facet(msgspec.Struct, frozen=True):
    """One side of behaviour: fields that count together, or the change of a field."""

    name: str
    fields: tuple[str, ...]
    follows: bool = False
    """Whether the pair of the previous and this value counts."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """How one log source is watched."""

    name: str
    entity: str
    """The field that says whose behaviour it is."""
    kind: Kind
    window: float | None
    """Seconds; None where a window is a number of events."""
    events: int | None
    facets: tuple[Facet, ...]
    bytes: str | None = None

    @property
    def timed(self) -> bool:
        """Whether windows are spans of time."""
        return self.window is not None


class Observation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event as a profile sees it."""

    time: float
    """Unix seconds of the event; where a source has no time, its number."""
    id: int
    """64 bits of the event's id: the same event again is the same observation."""
    entity: str
    values: tuple[str | None, ...]
    """A text for each facet, None where the event has none; of `follows` only this event's own."""
    bytes: float


def load(path: Path) -> Profile:
    """Read one profile. Raises Malformed, which names the file, for anything but a profile."""
    try:
        return read(path.read_bytes(), path.stem)
    except OSError as error:
        raise Malformed(f"{path}: expected a profile: {error.strerror}") from error
    except ValueError as error:
        raise Malformed(f"{path}: {error}") from error


def read(text: bytes, name: str) -> Profile:
    """A profile from YAML. Raises ValueError for anything else."""
    try:
        given = msgspec.convert(yaml.load(text, Loader=yaml.CSafeLoader), _Written)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"expected YAML: {error}") from error
    except msgspec.ValidationError as error:
        raise ValueError(f"not a profile: {error}") from error
    if not 0 < len(given.facets) <= MAX_FACETS:
        raise ValueError(f"expected 1 to {MAX_FACETS} facets, got {len(given.facets)}")
    return Profile(
        name=name,
        entity=given.entity,
        kind=given.kind,
        window=_seconds(given.window) if isinstance(given.window, str) else None,
        events=None if isinstance(given.window, str) else given.window.events,
        facets=tuple(_facet(*item) for item in given.facets.items()),
        bytes=given.bytes,
    )


def schema(profile: Profile) -> str:
    """A digest of what a profile counts: other facets, other model."""
    text = msgspec.json.encode((profile.kind, profile.window, profile.facets, profile.bytes))
    return hashlib.sha256(text).hexdigest()[:16]


class _Events(msgspec.Struct, forbid_unknown_fields=True):
    events: int = msgspec.field(default=100)

    def __post_init__(self) -> None:
        if not 2 <= self.events <= 100_000:
            raise ValueError(f"expected a window of 2 to 100000 events, got {self.events}")


class _Follows(msgspec.Struct, forbid_unknown_fields=True):
    follows: str


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    """The file as it is written."""

    entity: str
    kind: Kind
    window: str | _Events
    facets: dict[str, str | list[str] | _Follows]
    bytes: str | None = None


def _seconds(text: str) -> float:
    found = _DURATION.fullmatch(text)
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not _SHORTEST <= seconds <= _LONGEST:
        raise ValueError(f"expected a window such as 15m or 1h, up to 1d, got {text!r}")
    return seconds


def _facet(name: str, written: str | list[str] | _Follows) -> Facet:
    if isinstance(written, _Follows):
        return Facet(name, (written.follows,), follows=True)
    fields = (written,) if isinstance(written, str) else tuple(written)
    if not fields:
        raise ValueError(f"facet {name!r}: expected a field, or a list of fields")
    return Facet(name, fields)


Row = Sequence[Any]
"""Values of an event's fields in the order of some names, None for those that it does not have."""
Observe = Callable[[Row, float, int], Observation | None]


def observer(
    profile: Profile,
    columns: Sequence[str],
    name_of: Callable[[str], str | None] = lambda entity: entity,
) -> Observe:
    """Makes the function that turns an event's row, time and id into an observation.

    `columns` are the names that rows go by, those of `columns_of` among them. It gives None where
    the event does not name its entity, by the one spelling that `name_of` gives it, or shows no
    facet at all.
    """
    names = list(dict.fromkeys([profile.entity, *_shown(profile)]))
    looked = _picker([columns.index(name) for name in names])
    inner = _inner(profile, columns)
    outer = sorted({top for _, top, _ in inner})
    size_at = columns.index(profile.bytes) if profile.bytes else None
    several = [facet.fields for facet in profile.facets if len(facet.fields) > 1]
    parts = [_picker([names.index(name) for name in fields]) for fields in several]
    texts_of = [(name,) for name in names] + several
    facets = _picker([texts_of.index(facet.fields) for facet in profile.facets])

    def observe(row: Row, time: float, identity: int) -> Observation | None:
        for top in outer:
            if row[top] is not None:
                row = _opened(row, inner)
                break
        # most values are what text_of would give: looking at them here is far less than a call
        texts = [
            value
            if value.__class__ is str
            and len(value) <= MAX_TEXT
            and value.isascii()
            and value not in ABSENT
            else text_of(value)
            for value in looked(row)
        ]
        entity = None if texts[0] is None else name_of(texts[0])
        if entity is None:
            return None
        for part in parts:
            texts.append(_joined(part(texts)))
        values = facets(texts)
        if not any(values):
            return None
        size = 0.0 if size_at is None else _number(row[size_at])
        return Observation(time, identity, entity, values, size)

    return observe


def fields_of(profile: Profile) -> list[str]:
    """Every field that a profile looks at, once."""
    sizes = [profile.bytes] if profile.bytes else []
    return list(dict.fromkeys([profile.entity, *_shown(profile), *sizes]))


def columns_of(profile: Profile) -> list[str]:
    """What has to be read of an event: `a.b` may be a field's own name, or `b` within `a`."""
    names = fields_of(profile)
    return list(dict.fromkeys([*names, *(name.partition(".")[0] for name in names)]))


def row_of(fields: Mapping[str, Any], columns: Sequence[str]) -> Row:
    """An event's fields as a row."""
    return [fields.get(name) for name in columns]


def value_of(fields: Mapping[str, Any], name: str) -> Any:
    """A field's value, None where there is none; `a.b` may be `b` within `a`."""
    value = fields.get(name)
    return _within(fields, name.split(".")) if value is None and "." in name else value


def text_of(value: Any) -> str | None:
    """A field's value as legible text, None where there is none."""
    if value is None:
        return None
    text: str = value if value.__class__ is str else _spelt(value)
    if text in ABSENT:
        return None
    if len(text) > MAX_TEXT or not text.isascii():
        # a lone surrogate is nothing that could be written down
        text = text[:MAX_TEXT].encode("utf-8", "replace").decode()
    return text


def _shown(profile: Profile) -> list[str]:
    return [name for facet in profile.facets for name in facet.fields]


def _picker(places: Sequence[int]) -> Callable[[Row], tuple[Any, ...]]:
    """Takes these places of a row."""
    if len(places) == 1:
        return lambda row: (row[places[0]],)
    return itemgetter(*places)


Inner = Sequence[tuple[int, int, Sequence[str]]]
"""For each field that may be within another, its place, the other's, and the way from there."""


def _inner(profile: Profile, columns: Sequence[str]) -> Inner:
    ways = [name.split(".") for name in fields_of(profile) if "." in name]
    return [(columns.index(".".join(way)), columns.index(way[0]), way[1:]) for way in ways]


def _opened(row: Row, inner: Inner) -> Row:
    """A row with what is within other fields in its place."""
    opened = list(row)
    for place, top, way in inner:
        if row[place] is None:
            opened[place] = _within(row[top], way)
    return opened


def _within(value: Any, way: Sequence[str]) -> Any:
    for part in way:
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def _joined(texts: Sequence[Any]) -> str | None:
    if None not in texts:
        return " ".join(texts)
    return " ".join([text or "-" for text in texts]) if any(texts) else None


def _spelt(value: Any) -> str:
    if value.__class__ is int:
        return str(value)
    if isinstance(value, list):
        return ",".join(sorted(map(str, value)))
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _number(value: Any) -> float:
    if value.__class__ is int and 0 <= value < MAX_EXACT:
        return float(value)
    text = text_of(value)
    try:
        number = float(text) if text else 0.0
    except ValueError:
        return 0.0
    return number if 0.0 <= number < 1e18 else 0.0
