"""What a filter sees of an event: every value as text, each with the path of names to it."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from collectors import codec

_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_LONGEST_NUMBER = 40


def walk(value: Any, path: str | None = None) -> Iterator[tuple[str, str]]:
    """Each value with its path: names joined by dots, elements of a list alike, null left out."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from walk(inner, name if path is None else f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner, path)
    elif value is not None and path is not None:
        yield path, text(value)


def own(event: Mapping[str, Any]) -> Iterator[str]:
    """The texts that free words look at: the event's own values, and its original line."""
    for name, value in event.items():
        if name != "soc":
            yield from (found for _, found in walk(value, name))
    envelope = event.get("soc")
    if isinstance(envelope, dict) and isinstance(envelope.get("original"), str):
        yield envelope["original"]


def text(value: Any) -> str:
    """A value as filters compare it: numbers and booleans as JSON writes them."""
    if value.__class__ is int:
        return str(value)
    return value if isinstance(value, str) else codec.dumps(value).decode()


def number(value: str) -> float | None:
    """The number that a text reads as, None if it is something else."""
    if len(value) > _LONGEST_NUMBER or not _NUMBER.fullmatch(value):
        return None
    found = float(value)
    return found if math.isfinite(found) else None


def words(value: str) -> list[str]:
    """The words of a text: runs of letters, digits and underscores, in lower case."""
    return _WORD.findall(value.lower())
