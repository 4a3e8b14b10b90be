"""Which placeholders a rule asks for: `%name%` in the values of fields with `expand`."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rules.documents import Fault, read_file, rule_files

_NAME = re.compile(r"%([^%]+)%")
_NEEDED = re.compile(rb"\|expand\b|^\s*filter\s*:|[{,]\s*filter\s*:", re.MULTILINE)


def placeholders(detection: Any) -> frozenset[str]:
    """The names in a detection, a filter's selections, or a part of them."""
    return frozenset(_names(detection, expanding=False))


def files_that_expand(paths: Iterable[str | Path]) -> list[Path]:
    """The rule files that may hold placeholders, and those of filters, which may concern these."""
    unread: list[Fault] = []
    files = rule_files(list(paths))
    return [file for file in files if _NEEDED.search(read_file(file, unread))]


def _names(value: Any, *, expanding: bool) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _names(inner, expanding="expand" in str(name).split("|")[1:])
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner, expanding=expanding)
    elif expanding and isinstance(value, str):
        yield from _NAME.findall(value)
