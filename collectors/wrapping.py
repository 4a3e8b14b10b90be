"""Objects that only wrap a list of events, as cloud services export them, taken apart."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

WRAPPERS = ("Records", "records", "value")
"""CloudTrail, Azure's diagnostic settings, Microsoft Graph."""
NOT_UNPACKED = "not_unpacked"
"""Of an event that seems to wrap others, and holds more than them."""

_BEGINS = re.compile(
    rb'\s*\{\s*"(?:@odata\.\w+"\s*:\s*"[^"\\]*"\s*,\s*")*(?:Records|records|value)"\s*:\s*\[\s*\{'
)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_elements = msgspec.json.Decoder(list[msgspec.Raw])
_lenient = json.JSONDecoder(strict=False)


def wraps(line: bytes) -> bool:
    """Whether text may be such an object; cheap, and only the beginning is looked at."""
    return _BEGINS.match(line) is not None


def unpacked(line: bytes) -> list[bytes]:
    """The JSON of each event that an object wraps; empty where it is an event itself."""
    try:
        members = {name: bytes(raw) for name, raw in _members.decode(line).items()}
        (wrapper,) = _wrappers(members)
        if any(raw[:1] in b"{[" for name, raw in members.items() if name != wrapper):
            return []
        elements = [bytes(raw) for raw in _elements.decode(members[wrapper])]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        return [json.dumps(each).encode() for each in unwrapped(_leniently(line))]
    return elements if all(each[:1] == b"{" for each in elements) else []


def each_event(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines, and in place of one that only wraps events those."""
    for line in lines:
        if wraps(line) and (elements := unpacked(line)):
            yield from elements
        else:
            yield line


def unwrapped(value: Any) -> list[dict[str, Any]]:
    """The same of an object that is decoded already."""
    if not isinstance(value, dict) or len(wrappers := _wrappers(value)) != 1:
        return []
    others = (each for name, each in value.items() if name != wrappers[0])
    elements = value[wrappers[0]]
    if not isinstance(elements, list) or any(isinstance(each, dict | list) for each in others):
        return []
    return elements if all(isinstance(each, dict) for each in elements) else []


def _wrappers(members: dict[str, Any]) -> list[str]:
    return [name for name in WRAPPERS if name in members]


def _leniently(line: bytes) -> Any:
    """What the strict decoder refuses for one number or character; None where it is no JSON."""
    try:
        return _lenient.decode(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
