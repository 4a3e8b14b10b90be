"""What is watched in a log source, read from a profile, and an event as the profile sees it."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import yaml

from collectors.bus.contract import Malformed

Kind = Literal["host", "user", "address"]

MAX_FACETS: Final = 12
MAX_TEXT: Final = 160
"""Characters of a value that are looked at."""
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


Observe = Callable[[Mapping[str, Any], float, int], Observation | None]


def observer(
    profile: Profile, name_of: Callable[[str], str | None] = lambda entity: entity
) -> Observe:
    """Makes the function that turns an event's fields, time and id into an observation.

    It gives None where the event does not name its entity, by the one spelling that `name_of`
    gives it, or shows no facet at all.
    """
    names = fields_of(profile)
    place = names.index
    entity_at = place(profile.entity)
    size_at = place(profile.bytes) if profile.bytes else None
    places = [tuple(map(place, facet.fields)) for facet in profile.facets]
    alone = [at[0] if len(at) == 1 else None for at in places]
    facets = list(zip(alone, places, strict=True))

    def observe(fields: Mapping[str, Any], time: float, identity: int) -> Observation | None:
        texts = [text_of(fields, name) for name in names]
        entity = texts[entity_at]
        if entity is not None:
            entity = name_of(entity)
        if entity is None:
            return None
        values = tuple([_joined(texts, at) if one is None else texts[one] for one, at in facets])
        if not any(values):
            return None
        size = 0.0 if size_at is None else _number(texts[size_at])
        return Observation(time, identity, entity, values, size)

    return observe


def fields_of(profile: Profile) -> list[str]:
    """Every field that a profile looks at, once."""
    facets = [name for facet in profile.facets for name in facet.fields]
    sizes = [profile.bytes] if profile.bytes else []
    return list(dict.fromkeys([profile.entity, *facets, *sizes]))


def text_of(fields: Mapping[str, Any], name: str) -> str | None:
    """A field's value as legible text, None where there is none; `a.b` may be `b` within `a`."""
    value = fields.get(name)
    if value.__class__ is not str:
        if value is None and "." in name:
            value = _within(fields, name)
        if value is None:
            return None
        value = _spelt(value)
    if value in ABSENT:
        return None
    if len(value) > MAX_TEXT or not value.isascii():
        # a lone surrogate is nothing that could be written down
        value = value[:MAX_TEXT].encode("utf-8", "replace").decode()
    return value


def _joined(texts: Sequence[str | None], places: tuple[int, ...]) -> str | None:
    joined = " ".join([texts[place] or "-" for place in places])
    # no text is a dash alone, so only what is this short may be nothing but dashes
    if len(joined) < 2 * len(places) and not any(texts[place] for place in places):
        return None
    return joined


def _within(fields: Mapping[str, Any], name: str) -> Any:
    value: Any = fields
    for part in name.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def _spelt(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(sorted(map(str, value)))
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _number(text: str | None) -> float:
    try:
        number = float(text) if text else 0.0
    except ValueError:
        return 0.0
    return number if 0.0 <= number < 1e18 else 0.0
