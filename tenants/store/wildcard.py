r"""Patterns as Sigma writes them: `*` and `?` are wildcards, `\*` and `\?` stand for themselves.

A backslash before any other character is itself, and `\\` is one backslash, so that a Windows path
may be written either way.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from enum import Enum


class Wild(Enum):
    """A part of a pattern that stands for other characters."""

    ANY = "*"
    """Any number of characters, none too."""
    ONE = "?"
    """Exactly one character."""


Part = str | Wild


def split(pattern: str) -> Sequence[Part]:
    r"""Cut a pattern into literal text and wildcards: `a\*b*` is `("a*b", ANY)`."""
    parts: list[Part] = []
    for part in _tokens(pattern):
        if isinstance(part, str) and parts and isinstance(parts[-1], str):
            parts[-1] += part
        elif part is not Wild.ANY or not parts or parts[-1] is not Wild.ANY:
            parts.append(part)
    return tuple(parts)


def _tokens(pattern: str) -> Iterator[Part]:
    characters = iter(range(len(pattern)))
    for at in characters:
        this, following = pattern[at], pattern[at + 1 : at + 2]
        if this == "\\" and following in ("*", "?", "\\"):
            next(characters)
            yield following
        elif this in "*?":
            yield Wild(this)
        else:
            yield this


def join(parts: Sequence[Part]) -> str:
    """Undo split(): whatever in literal text could be misread is escaped."""
    return "".join(part.value if isinstance(part, Wild) else escape(part) for part in parts)


def escape(text: str) -> str:
    """A pattern that only `text` itself fits."""
    return re.sub(r"[*?\\]", r"\\\g<0>", text)


def expression(parts: Sequence[Part]) -> re.Pattern[str]:
    """A regular expression for a whole value; quick to write, slow where a pattern has many `*`."""
    return re.compile("".join(map(_as_regex, parts)), re.DOTALL)


def matcher(parts: Sequence[Part]) -> Callable[[str], bool]:
    """Whether a whole value fits, in time that grows with its length and no faster.

    What stands between two `*` may be found as far left as it goes: there is no going back.
    """
    runs: list[list[Part]] = [[]]
    for part in parts:
        if part is Wild.ANY:
            runs.append([])
        else:
            runs[-1].append(part)
    if len(runs) == 1:
        whole = expression(parts)
        return lambda value: whole.fullmatch(value) is not None
    head, *middle, tail = map(expression, runs)
    tail_length = sum(len(part) if isinstance(part, str) else 1 for part in runs[-1])

    def fits(value: str) -> bool:
        found = head.match(value)
        for run in middle:
            if found is None:
                return False
            found = run.search(value, found.end())
        start = len(value) - tail_length
        return found is not None and found.end() <= start and tail.match(value, start) is not None

    return fits


def _as_regex(part: Part) -> str:
    if isinstance(part, str):
        return re.escape(part)
    return ".*" if part is Wild.ANY else "."
