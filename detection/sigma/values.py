"""What an event's values are to a rule: one text each, found by name through nested objects."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

MAX_NUMBER_DIGITS = 400


class _Object:
    """Stands for a JSON object where a rule asks for a value: it is there, and has no text."""

    def __repr__(self) -> str:
        return "OBJECT"


OBJECT: Final = _Object()
HINT = "logsource"
"""A sender's object of this name says what the event is, so keywords pass over it."""

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d{1,3})?", re.ASCII)
_NUMBER_MATCH = _NUMBER.fullmatch


def text_of(value: str | float) -> str:
    """The one text that a scalar has: `true`, `4688` (for 4688.0 too), `1.5`, or the string."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if not value.is_integer():  # so are NaN and the infinities
            return repr(value)
        value = int(value)
    try:
        return str(value)
    except ValueError:  # beyond Python's limit of decimal digits
        return hex(value)


def find(event: Mapping[str, Any], name: str) -> Any:
    """What `name` stands for: a literal key, or a path through objects and lists of objects.

    Returns None (nothing there), a scalar, OBJECT, or a tuple of scalars and OBJECTs.
    """
    found: list[Any] = []
    _collect(event, name, found)
    return _folded(found)


def plain(value: Any) -> Any:
    """A value of a top-level key in the form that `find` returns."""
    if isinstance(value, list):
        found: list[Any] = []
        _flatten(value, found)
        return _folded(found)
    return OBJECT if isinstance(value, dict) else value


def texts(event: Mapping[str, Any]) -> Iterator[str]:
    """Every value of an event, at any depth: what keywords look through."""
    stack = [
        value
        for key, value in event.items()
        if value is not None and not (key == HINT and isinstance(value, dict))
    ]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            stack.extend(value)
        elif isinstance(value, dict):
            stack.extend(value.values())
        elif value is not None:
            yield text_of(value)


def number_of(text: str) -> int | float | None:
    """The number that a text is, None if it is none."""
    if len(text) > MAX_NUMBER_DIGITS or not _NUMBER_MATCH(text):
        return None
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """The address that a text is; IPv4 within IPv6 (`::ffff:10.0.0.1`) counts as IPv4."""
    if len(text) > 64:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def moment_of(text: str) -> datetime | None:
    """The time that a text is: ISO 8601, or Unix seconds, milliseconds or microseconds.

    With an offset it is turned into UTC; without one it counts as UTC.
    """
    number = number_of(text)
    try:
        if number is not None:
            for divisor, least in ((1_000_000, 1e14), (1_000, 1e11)):
                if abs(number) >= least:
                    number /= divisor
                    break
            return datetime.fromtimestamp(number, UTC)
        moment = datetime.fromisoformat(text.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _collect(node: Any, name: str, found: list[Any]) -> None:
    if isinstance(node, list):
        for child in node:
            _collect(child, name, found)
        return
    if not isinstance(node, dict):
        return
    if name in node:
        _flatten([node[name]], found)
    dot = name.find(".")
    while dot >= 0:
        child = node.get(name[:dot])
        if isinstance(child, dict | list):
            _collect(child, name[dot + 1 :], found)
        dot = name.find(".", dot + 1)


def _flatten(values: list[Any], found: list[Any]) -> None:
    for value in values:
        if isinstance(value, list):
            _flatten(value, found)
        elif isinstance(value, dict):
            found.append(OBJECT)
        elif value is not None:
            found.append(value)


def _folded(found: list[Any]) -> Any:
    if len(found) > 1:
        # text, because True equals 1 and would be taken for it in a cache
        return tuple(value if value is OBJECT else text_of(value) for value in found)
    return found[0] if found else None
