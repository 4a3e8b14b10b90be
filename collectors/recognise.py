"""Which log sources an event is of: what its source declares, and what its content shows."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import yaml

from collectors.formats.messages import program_name
from collectors.logsource import LogSource

WINDOWS_FIELDS = ("Channel", "Provider_Name", "EventID")
MAX_NAME = 64
"""Characters of a name that an event brings itself, such as a Zeek path."""
MAX_HINTS = 8
MAX_TEXT = 256
"""Characters of any other value that recognition looks at, and remembers."""


class Shape(NamedTuple):
    """One way of knowing an object by its keys; see recognise.yml."""

    has: tuple[str, ...]
    values: tuple[tuple[str, frozenset[str]], ...]
    each: str
    logsources: tuple[str, ...]


def logsources(
    fields: Mapping[str, Any],
    format: str,  # noqa: A002
    declared: Iterable[LogSource] = (),
) -> tuple[LogSource, ...]:
    """Every log source of the event, without repeats: declared, shown, then the event's own word.

    `format` is what the line was read as (Parsed.format).
    """
    found = shown(fields, format)
    if declared or "logsource" in fields:
        found = tuple(dict.fromkeys((*declared, *found, *(hinted(fields) or ()))))
    return found


def shown(fields: Mapping[str, Any], format: str) -> tuple[LogSource, ...]:  # noqa: A002
    """What the content alone shows."""
    if "EventID" in fields and ("Channel" in fields or "Provider_Name" in fields):
        return _of_windows(*map(fields.get, WINDOWS_FIELDS))
    found = dict.fromkeys(_FORMATS.get(format, ()))
    if "program" in fields and "message" in fields:
        found.update(dict.fromkeys(_of_program(_text(fields["program"]))))
    telling = fields.keys() & _SHAPES_BY_KEY.keys()
    for key in sorted(telling) if telling else ():
        for shape in _SHAPES_BY_KEY[key]:
            found.update(dict.fromkeys(_of_shape(shape, fields)))
    return tuple(found)


def hinted(fields: Mapping[str, Any]) -> tuple[LogSource, ...] | None:
    """The event's own `logsource`: an object of product, category and service, or a list of them.

    None where there is none that says anything.
    """
    hint = fields.get("logsource")
    hints = hint if isinstance(hint, list) else [hint]
    named = (
        LogSource(*(_part(each.get(part)) for part in LogSource._fields))
        for each in hints[:MAX_HINTS]
        if isinstance(each, Mapping)
    )
    return tuple(each for each in dict.fromkeys(named) if any(each)) or None


def _of_windows(channel: Any, provider: Any, event_id: Any) -> tuple[LogSource, ...]:
    """Almost every event has two names and a number; others are looked at as if they had."""
    usual = type(channel) is type(provider) is str and type(event_id) is int
    if usual and len(channel) + len(provider) <= MAX_TEXT:
        return _windows(channel, provider, event_id)
    names = (_text(_first(channel)), _text(_first(provider)))
    return _windows(*names, _integer(_first(event_id)))


@lru_cache(maxsize=8192)
def _windows(channel: str, provider: str, event_id: int) -> tuple[LogSource, ...]:
    tables = _TABLES["windows"]
    channel, provider = channel.lower(), provider.lower()
    service = tables["services"].get(channel) or tables["providers"].get(provider, "")
    product = tables["products"].get(provider, "windows")
    categories = dict.fromkeys(
        (
            *tables["categories"].get(service, {}).get(event_id, ()),
            *tables["traces"].get(provider, {}).get(event_id, ()),
        )
    )
    return tuple(LogSource(product, category, service) for category in categories or ("",))


@lru_cache(maxsize=1024)
def _of_program(program: str) -> tuple[LogSource, ...]:
    services = _TABLES["programs"].get(program_name(program), ())
    return tuple(LogSource("linux", "", service) for service in (*services, "syslog"))


def _of_shape(shape: Shape, fields: Mapping[str, Any]) -> tuple[LogSource, ...]:
    if any(_value(fields, path) is None for path in shape.has):
        return ()
    for path, wanted in shape.values:
        if wanted.isdisjoint(map(_word, _several(_value(fields, path)))):
            return ()
    return _named(shape.logsources, _text(fields.get(shape.each)) if shape.each else "")


@lru_cache(maxsize=4096)
def _named(templates: tuple[str, ...], name: str) -> tuple[LogSource, ...]:
    part = _part(name)
    return tuple(LogSource.parse(each.replace("{}", part)) for each in templates)


def _part(name: Any) -> str:
    """An outsider's word as part of a log source: lower case, without the slash that parts them."""
    return _text(name)[:MAX_NAME].strip().lower().replace("/", "_")


def _value(fields: Mapping[str, Any], path: str) -> Any:
    if path in fields:
        return fields[path]
    value: Any = fields
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def _several(value: Any) -> Sequence[Any]:
    return value[:MAX_HINTS] if isinstance(value, list) else (value,)


def _word(value: Any) -> str:
    """A text or a number as recognise.yml writes it."""
    usual = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63
    return str(value) if usual else _text(value).lower()


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _text(value: Any) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _integer(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:18])
    return value if isinstance(value, int) and abs(value) < 1 << 63 else -1


def _shape(entry: Mapping[str, Any]) -> Shape:
    values = tuple((path, frozenset(map(str, held))) for path, held in entry.get("is", {}).items())
    return Shape(
        tuple(entry.get("has", ())), values, entry.get("each", ""), tuple(entry["logsources"])
    )


def _by_key(shapes: Iterable[Shape]) -> dict[str, tuple[Shape, ...]]:
    """Each shape under the outermost key that it can't do without, as written and as a path."""
    indexed: dict[str, tuple[Shape, ...]] = {}
    for shape in shapes:
        path = (*shape.has, *(path for path, _ in shape.values))[0]
        for key in dict.fromkeys((path, path.partition(".")[0])):
            indexed[key] = (*indexed.get(key, ()), shape)
    return indexed


_TABLES = yaml.safe_load(files("collectors").joinpath("recognise.yml").read_text("utf-8"))
_SHAPES = tuple(_shape(entry) for entry in _TABLES["shapes"])
_SHAPES_BY_KEY = _by_key(_SHAPES)
_FORMATS = {
    name: tuple(LogSource.parse(each) for each in found)
    for name, found in _TABLES["formats"].items()
}

READS = frozenset(
    {*WINDOWS_FIELDS, "program", "message", "logsource", "Event", "winlog"}
    | {
        key
        for shape in _SHAPES
        for path in (*shape.has, *(path for path, _ in shape.values))
        for key in (path, path.partition(".")[0])
    }
)
"""Every top-level field that recognition, or finding out whether an object is flat, looks at."""
