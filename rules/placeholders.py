"""Which placeholders a rule asks for: `%name%` in the values of fields with `expand`."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from rules.documents import Fault, read_file, rule_files

_NAME = re.compile(r"%([^%]+)%")
_EXPAND = re.compile(rb"\|expand\b")
_FILTER = re.compile(rb"^['\"]?filter\b|[{,]\s*['\"]?filter\b", re.MULTILINE)
"""A key at the left edge or in braces; rules like to have a selection of that name further in."""


def placeholders(detection: Any) -> frozenset[str]:
    """The names in a detection, a filter's selections, or a part of them."""
    return frozenset(name for names in _names(detection, expanding=False) for name in names)


def expansions(detection: Any, lists: Mapping[str, Sequence[str]]) -> int:
    """How many values its placeholders become with these lists."""
    values = _names(detection, expanding=False)
    return sum(prod(len(lists.get(name, ())) for name in names) for names in values)


def files_that_expand(paths: Iterable[str | Path]) -> list[Path]:
    """The rule files that may hold placeholders, and those of filters, which may concern these."""
    unread: list[Fault] = []
    files = rule_files(list(paths))
    return [file for file in files if _may_matter(read_file(file, unread))]


def _may_matter(data: bytes) -> bool:
    if _EXPAND.search(data) or _FILTER.search(data):
        return True
    return b"filter" in data and b"detection" not in data


def _names(value: Any, *, expanding: bool) -> Iterator[Sequence[str]]:
    """The placeholders of each value that has some."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _names(inner, expanding="expand" in str(name).split("|")[1:])
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner, expanding=expanding)
    elif expanding and isinstance(value, str) and (names := _NAME.findall(value)):
        yield names
