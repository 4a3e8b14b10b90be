"""The smallest questions that rules ask: does this one thing hold for this one field?"""

from collections.abc import Callable, Sequence
from enum import Enum, StrEnum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from operator import ge, gt, le, lt
from typing import Any, NamedTuple

from detection.sigma.values import address_of, moment_of, number_of
from rules.refusals import expression


class Wild(Enum):
    """The parts of a wildcard pattern that are not literal text."""

    TEXT = "*"
    CHARACTER = "?"

    def __str__(self) -> str:
        return str(self.value)


Pattern = tuple[str | Wild, ...]


class Kind(StrEnum):
    """What a predicate asks of a value. All but the last three look at the value's text."""

    EXACT = "exact"
    CONTAINS = "contains"
    STARTS = "startswith"
    ENDS = "endswith"
    WILD = "wildcard"
    REGEX = "re"
    CIDR = "cidr"
    NUMBER = "number"
    TIME = "time"
    PRESENT = "present"
    ABSENT = "absent"
    REFERENCE = "fieldref"


class Predicate(NamedTuple):
    """One question about one field, or about any value of the event where `field` is None."""

    field: str | None
    kind: Kind
    value: Any = None
    """A text, folded by str.lower() unless `cased`; for WILD a Pattern, folded likewise; for REGEX
    flags and pattern; for CIDR a network; for NUMBER and TIME a name and a number; for REFERENCE
    how to compare and the other field's name."""
    cased: bool = False

    def __str__(self) -> str:
        modifier = "" if self.kind is Kind.EXACT else f"|{self.kind}"
        if isinstance(self.value, tuple):
            shown = "".join(str(part) for part in self.value)
        else:
            shown = "" if self.value is None else str(self.value)
        return f"{self.field or 'keyword'}{modifier}{'|cased' if self.cased else ''} {shown!r}"


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {"lt": lt, "lte": le, "gt": gt, "gte": ge}
TIME_PARTS: dict[str, Callable[[Any], int]] = {
    "minute": lambda moment: int(moment.minute),
    "hour": lambda moment: int(moment.hour),
    "day": lambda moment: int(moment.day),
    "week": lambda moment: int(moment.isocalendar().week),
    "month": lambda moment: int(moment.month),
    "year": lambda moment: int(moment.year),
}
TEXT_KINDS = frozenset({Kind.EXACT, Kind.CONTAINS, Kind.STARTS, Kind.ENDS, Kind.WILD})


def tester(predicate: Predicate) -> Callable[[str], bool]:
    """A function that answers a predicate for one text (already folded unless it is cased)."""
    kind, value = predicate.kind, predicate.value
    if kind is Kind.EXACT:
        return lambda text: text == value
    if kind is Kind.CONTAINS:
        return lambda text: value in text
    if kind is Kind.STARTS:
        return lambda text: text.startswith(value)
    if kind is Kind.ENDS:
        return lambda text: text.endswith(value)
    if kind is Kind.WILD:
        return lambda text: wildcard(value, text)
    if kind is Kind.REGEX:
        return regex(*value)
    if kind is Kind.CIDR:
        return lambda text: _within(value, text)
    if kind is Kind.NUMBER:
        comparison, limit = value
        return lambda text: _compares(comparison, limit, text)
    if kind is Kind.TIME:
        part, wanted = value
        return lambda text: _falls(part, wanted, text)
    raise ValueError(f"no single text answers a predicate of kind '{kind}'")


def wildcard(pattern: Pattern, text: str) -> bool:
    """Whether the pattern covers the whole text.

    Never backtracks over more than one `*`, so its time is bounded by both lengths multiplied.
    """
    runs: list[list[str | Wild]] = [[]]
    for part in pattern:
        if part is Wild.TEXT:
            runs.append([])
        else:
            runs[-1].append(part)
    if len(runs) == 1:
        return _run_at(runs[0], text, 0) == len(text)
    head, *middle, tail = runs
    start = _run_at(head, text, 0)
    if start < 0:
        return False
    for run in middle:
        start = _find_run(run, text, start)
        if start < 0:
            return False
    last = len(text) - sum(len(part) if isinstance(part, str) else 1 for part in tail)
    return last >= start and _run_at(tail, text, last) == len(text)


@lru_cache(maxsize=1024)
def regex(flags: str, pattern: str) -> Callable[[str], bool]:
    """A search by RE2, whose time grows with the text's length only. Raises ValueError."""
    search = expression(flags, pattern).search

    def found(text: str) -> bool:
        try:
            return search(text) is not None
        except UnicodeEncodeError:  # lone surrogates: to RE2 each is some character
            replaced = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            return search(replaced) is not None

    return found


def _run_at(run: Sequence[str | Wild], text: str, position: int) -> int:
    """Where a run that begins at `position` ends, -1 if it does not stand there."""
    for part in run:
        if not isinstance(part, str):
            position += 1
        elif text.startswith(part, position):
            position += len(part)
        else:
            return -1
    return position if position <= len(text) else -1


def _find_run(run: Sequence[str | Wild], text: str, start: int) -> int:
    """Where the first run at or after `start` ends, -1 if there is none."""
    first = run[0] if len(run) == 1 else Wild.CHARACTER
    if isinstance(first, str):
        found = text.find(first, start)
        return found + len(first) if found >= 0 else -1
    for position in range(start, len(text) + 1):
        end = _run_at(run, text, position)
        if end >= 0:
            return end
    return -1


def _within(network: IPv4Network | IPv6Network, text: str) -> bool:
    address = address_of(text)
    return address is not None and address in network


def _compares(comparison: str, limit: float, text: str) -> bool:
    number = number_of(text)
    return number is not None and COMPARISONS[comparison](number, limit)


def _falls(part: str, wanted: int, text: str) -> bool:
    moment = moment_of(text)
    return moment is not None and TIME_PARTS[part](moment) == wanted
