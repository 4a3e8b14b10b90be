"""Whom and what an event is about: its users, hosts, addresses and hashes, in one spelling."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from ipaddress import ip_address
from typing import Any, NamedTuple

import yaml

from collectors.logsource import LogSource

KINDS = {"host": "host", "far_host": "host", "user": "user", "ip": "ip", "hash": "hash"}
"""Keys of fields.yml, and the list that each one's values go to."""
MAX_RELATED = 20
"""Values of one kind that an event carries."""
MAX_VALUE = 512
"""Characters of a value that is looked at."""

NOBODY = frozenset({"", "-", "n/a", "null", "none", "unknown", "(null)", "undefined", "?", "unset"})
NOWHERE = NOBODY | {"localhost", "localhost.localdomain", "127.0.0.1", "::1"}
NO_ADDRESS = frozenset({"0.0.0.0", "::", "127.0.0.1", "::1", "255.255.255.255"})  # noqa: S104
UNSET_USER_IDS = frozenset({"4294967295", "-1"})


class Place(NamedTuple):
    """One way to a value; places sort by KINDS and then by how telling they are."""

    number: int
    rank: int
    kind: str
    path: tuple[str, ...]


class Plan(NamedTuple):
    """Where to look in events of one set of log sources."""

    places: Mapping[str, tuple[Place, ...]]
    """By top-level field."""
    order: tuple[str, ...]
    """The kinds that an alert may be about, the first choice first."""


class Entry(NamedTuple):
    """One line of fields.yml."""

    pattern: LogSource
    fields: Mapping[str, Sequence[str]]
    entity: tuple[str, ...]

    def fits(self, logsource: LogSource) -> bool:
        """Whether the pattern stands for this log source."""
        return all(want in ("*", have) for have, want in zip(logsource, self.pattern, strict=True))


def related(fields: Mapping[str, Any], logsources: Iterable[LogSource]) -> dict[str, list[str]]:
    """Lists under `host`, `user`, `ip` and `hash`, in one spelling, the most telling value first.

    `DOMAIN\\user` and `user@domain` are user; a host's full name is followed by its short one.
    """
    places = plan(tuple(logsources)).places
    named = sorted([place for name in fields.keys() & places.keys() for place in places[name]])
    found: dict[str, dict[str, None]] = {}
    for _, _, kind, path in named:
        value = fields[path[0]] if len(path) == 1 else _inside(fields, path)
        if value is None:
            continue
        text = isinstance(value, str)
        names = normalised(kind, value[:MAX_VALUE]) if text else _of_many(kind, value)
        if names:
            found.setdefault(KINDS[kind], {}).update(dict.fromkeys(names))
    return {kind: list(values)[:MAX_RELATED] for kind, values in found.items()}


def entity(
    related: Mapping[str, Sequence[str]], logsources: Iterable[LogSource], source: str
) -> tuple[str, str]:
    """Kind and name of what an alert on the event is about; the source itself where nothing is."""
    for kind in plan(tuple(logsources)).order:
        names = related.get(kind)
        if names:
            return kind, names[0]
    return "source", source


@lru_cache(maxsize=4096)
def plan(logsources: tuple[LogSource, ...]) -> Plan:
    """What the table says for a set of log sources."""
    fitting = [entry for entry in _TABLE if any(entry.fits(each) for each in logsources)] or [
        _ELSEWHERE
    ]
    fitting.append(_EVERYWHERE)
    places: dict[str, tuple[Place, ...]] = {}
    for number, kind in enumerate(KINDS):
        names = dict.fromkeys(name for entry in fitting for name in entry.fields.get(kind, ()))
        for rank, name in enumerate(names):
            # A dotted name may be a field's own (Zeek) or a way inwards (CloudTrail).
            for path in dict.fromkeys(((name,), tuple(name.split(".")))):
                place = Place(number, rank, kind, path)
                places[path[0]] = (*places.get(path[0], ()), place)
    return Plan(places, fitting[0].entity)


@lru_cache(maxsize=65536)
def normalised(kind: str, value: str) -> tuple[str, ...]:
    """The one spelling of a value, or several that it holds; none where it names nothing."""
    return _NORMALISERS[kind](value.strip())


def _users(value: str) -> tuple[str, ...]:
    name = value.lower()
    if name.startswith("arn:"):
        name = name.rpartition(":")[2].partition("/")[2] or name.rpartition(":")[2]
    elif "\\" in name:
        name = name.rpartition("\\")[2]
    elif "@" in name:
        name = name.partition("@")[0]
    return () if name in NOBODY or name in UNSET_USER_IDS else (name,)


def _hosts(value: str) -> tuple[str, ...]:
    """A host of the tenant's own: its full name, and the short one that other logs may use."""
    names = _far_hosts(value)
    short = names[0].partition(".")[0] if names else ""
    return names if short in ("", *names) else (*names, short)


def _far_hosts(value: str) -> tuple[str, ...]:
    name = value.lower().rstrip(".").removeprefix("\\\\")
    return () if name in NOWHERE or _addresses(name) else (name,)


def _addresses(value: str) -> tuple[str, ...]:
    """IPv4 addresses mapped into IPv6 are IPv4; a port after an address is dropped."""
    text = value
    if value.startswith("["):
        text = value[1:].partition("]")[0]
    elif value.count(":") == 1:
        text = value.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return ()
    mapped = getattr(address, "ipv4_mapped", None)
    name = str(mapped or address)
    return () if name in NO_ADDRESS else (name,)


_HASH = re.compile(
    r"(?<![0-9a-f])(?:[0-9a-f]{128}|[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})(?![0-9a-f])"
)


def _hashes(value: str) -> tuple[str, ...]:
    """`SHA1=…,MD5=…,SHA256=…` or one alone; not IMPHASH, which many files share."""
    text = re.sub(r"imphash=[0-9a-f]*", "", value.lower())
    return tuple(each for each in dict.fromkeys(_HASH.findall(text)) if each.strip("0"))


_NORMALISERS: dict[str, Callable[[str], tuple[str, ...]]] = {
    "host": _hosts,
    "far_host": _far_hosts,
    "user": _users,
    "ip": _addresses,
    "hash": _hashes,
}


def _of_many(kind: str, value: Any) -> tuple[str, ...]:
    """Values of a list, and numbers as text; objects name nothing."""
    names: list[str] = []
    for each in value[:MAX_RELATED] if isinstance(value, list) else [value]:
        if isinstance(each, list):
            names += _of_many(kind, [inner for inner in each if isinstance(inner, str)])
        elif isinstance(each, str | int) and not isinstance(each, bool):
            names += normalised(kind, each[:MAX_VALUE] if isinstance(each, str) else _digits(each))
    return tuple(names)


def _digits(number: int) -> str:
    """A number that could name someone; others are nothing."""
    return str(number) if abs(number) < 1 << 64 else ""


def _inside(fields: Mapping[str, Any], path: Sequence[str]) -> Any:
    """The value at the end of a path; a list on the way is asked for each of its objects."""
    value: Any = fields
    for position, part in enumerate(path):
        if isinstance(value, list):
            rest = path[position:]
            found = (_inside(each, rest) for each in value[:MAX_RELATED] if isinstance(each, dict))
            return [each for each in found if each is not None]
        if not isinstance(value, dict) or part not in value:
            return None
        value = value[part]
    return value


def _entry(entry: Mapping[str, Any]) -> Entry:
    named = {kind: tuple(entry.get(kind, ())) for kind in KINDS}
    return Entry(LogSource.parse(entry["logsource"]), named, tuple(entry["entity"]))


_SETTINGS = yaml.safe_load(files("collectors").joinpath("fields.yml").read_text("utf-8"))
_TABLE = tuple(_entry(each) for each in _SETTINGS["logsources"])
_ELSEWHERE = _entry({"logsource": "//", **_SETTINGS["elsewhere"]})
_EVERYWHERE = _entry({"logsource": "*/*/*", **_SETTINGS["everywhere"]})
