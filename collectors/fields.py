"""Whom and what an event is about: its users, hosts, addresses and hashes, in one spelling."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from ipaddress import ip_address
from typing import Any, NamedTuple

import yaml

from collectors.logsource import LogSource

KINDS = ("host", "user", "ip", "hash")
MAX_RELATED = 20
"""Values of one kind that an event carries."""
MAX_VALUE = 256
"""Characters of a value that is looked at."""

NOBODY = frozenset({"", "-", "n/a", "null", "none", "unknown", "(null)", "undefined", "?", "unset"})
NOWHERE = NOBODY | {"localhost", "localhost.localdomain", "127.0.0.1", "::1"}
NO_ADDRESS = frozenset({"0.0.0.0", "::", "127.0.0.1", "::1", "255.255.255.255"})  # noqa: S104
UNSET_USER_IDS = frozenset({"4294967295", "-1"})


class Plan(NamedTuple):
    """Where to look in events of one set of log sources."""

    paths: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]
    """Per kind the paths of its fields, each a flat name with, after it, its way inwards."""
    order: tuple[str, ...]


class Entry(NamedTuple):
    """One line of fields.yml."""

    pattern: LogSource
    fields: Mapping[str, Sequence[str]]
    entity: tuple[str, ...]

    def fits(self, logsource: LogSource) -> bool:
        """Whether the pattern stands for this log source."""
        return all(want in ("*", have) for have, want in zip(logsource, self.pattern, strict=True))


def related(fields: Mapping[str, Any], logsources: Iterable[LogSource]) -> dict[str, list[str]]:
    """Keys `host`, `user`, `ip`, `hash`, where there are any; values normalised, most telling first.

    `DOMAIN\\user` and `user@domain` are user; a host's full name is followed by its short one.
    """
    found: dict[str, list[str]] = {}
    for kind, paths in plan(tuple(logsources)).paths:
        values: dict[str, None] = {}
        for path in paths:
            value = fields.get(path[0])
            if value is None and len(path) > 1:
                value = _inside(fields, path[1:])
            if isinstance(value, str):
                values.update(dict.fromkeys(normalised(kind, value[:MAX_VALUE])))
            elif value is not None:
                values.update(dict.fromkeys(_of_many(kind, value)))
        if values:
            found[kind] = list(values)[:MAX_RELATED]
    return found


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
    fitting = [
        entry for entry in _TABLE if any(entry.fits(each) for each in logsources or (LogSource(),))
    ]
    paths = {
        kind: tuple(
            (name, *(name.split(".") if "." in name else ()))
            for name in dict.fromkeys(
                name for entry in fitting for name in entry.fields.get(kind, ())
            )
        )
        for kind in KINDS
    }
    return Plan(tuple((kind, each) for kind, each in paths.items() if each), fitting[0].entity)


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
    name = value.lower().rstrip(".").removeprefix("\\\\")
    if name in NOWHERE or _addresses(name):
        return ()
    short = name.partition(".")[0]
    return (name,) if short == name or not short else (name, short)


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
    """`SHA1=…,MD5=…,SHA256=…,IMPHASH=…` or one alone; import hashes name many files, so not them."""
    text = re.sub(r"imphash=[0-9a-f]*", "", value.lower())
    return tuple(each for each in dict.fromkeys(_HASH.findall(text)) if each.strip("0"))


_NORMALISERS: dict[str, Callable[[str], tuple[str, ...]]] = {
    "host": _hosts,
    "user": _users,
    "ip": _addresses,
    "hash": _hashes,
}


def _of_many(kind: str, value: Any) -> tuple[str, ...]:
    """Values of a list, and numbers as text; objects name nothing."""
    values = value[:MAX_RELATED] if isinstance(value, list) else [value]
    return tuple(
        name
        for each in values
        if isinstance(each, str | int) and not isinstance(each, bool)
        for name in normalised(kind, str(each)[:MAX_VALUE])
    )


def _inside(fields: Mapping[str, Any], path: Sequence[str]) -> Any:
    """The value at the end of a path; a list on the way is asked for each of its objects."""
    values: list[Any] = [fields]
    for part in path:
        values = [
            each for value in values for each in (value if isinstance(value, list) else [value])
        ]
        values = [
            value[part]
            for value in values[:MAX_RELATED]
            if isinstance(value, Mapping) and part in value
        ]
    if not values:
        return None
    return values[0] if len(values) == 1 else values


def _entry(entry: Mapping[str, Any]) -> Entry:
    named = {kind: tuple(entry.get(kind, ())) for kind in KINDS}
    return Entry(LogSource.parse(entry["logsource"]), named, tuple(entry["entity"]))


_TABLE = tuple(
    _entry(each)
    for each in yaml.safe_load(files("collectors").joinpath("fields.yml").read_text("utf-8"))
)
