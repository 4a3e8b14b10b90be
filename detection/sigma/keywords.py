"""Finds keywords in all values of an event, as far as they allow it in one pass."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from types import NoneType
from typing import Any

from hyperscan import HS_FLAG_CASELESS

from detection.sigma.held import Answers, Sets, utf8
from detection.sigma.lookup import Group, Lookup, Numbered
from detection.sigma.predicates import Kind, Predicate
from detection.sigma.scan import FLAGS, Scanner, Scanners, literal
from detection.sigma.values import texts

SEPARATOR = "\x1f"
"""Between the values of an event when all are searched at once."""
MIN_RUN = 4
"""Characters that a keyword must have in a row to be looked for in raw JSON."""
NOT_PLAIN = tuple(map(literal, (r"\u00", r"\u212a", r"\u0130", "\u212a", "\u0130")))
"""How a letter of ASCII can be in the folded text without being in the line: written as an escape,
or as one of the two other characters that `str.lower()` makes one of, in either way."""
PART_LENGTHS = (4, 6, 10)
MAX_SHARING = 200
"""Of more keywords parts in common are not looked for, nor beyond so many characters."""
_HARMLESS = re.compile(r"[a-z0-9 :;.,_=()-]+")
_NOT_OF_NUMBERS = re.compile(r"[^-+.0-9aefilnrstux]")
"""A character that no number's text has, nor `true`, `false`, `nan` and `inf`."""


def can_join(predicate: Predicate) -> bool:
    """Whether a keyword can be looked for in all values at once and never found across two."""
    plain = predicate.kind is Kind.CONTAINS and not predicate.cased
    return plain and SEPARATOR not in predicate.value


class Keywords:
    """Which keywords of several log sources an event holds. Not shared between threads.

    Most keywords are looked for in all values at once, which is quicker than remembering values.
    """

    def __init__(
        self,
        joined: Sequence[Numbered],
        apart: Sequence[Numbered],
        sets: Sets,
        scanners: Scanners,
    ) -> None:
        self._wanted = joined
        self._scanners = scanners
        self._apart = Answers([Lookup(apart, scanners)], sets) if apart else None
        self._sets = sets
        numbers_too = apart or any(
            not _NOT_OF_NUMBERS.search(predicate.value) for _, predicate in joined
        )
        self.gate = None if numbers_too else _gate(joined, scanners)
        """Finds nothing in a line of JSON that cannot hold a keyword; None if any line may."""
        self._skipped = frozenset({str} if numbers_too else {str, int, float, bool, NoneType})

    @cached_property
    def _joined(self) -> Group:
        """Made late, as most lines are known to hold none."""
        return Group(self._wanted, self._scanners, few=0)

    def number(self, event: Mapping[str, Any], line: bytes) -> int:
        """The number of the set of keyword predicates that hold.

        `line` is the JSON that the event was read from, empty where that is not known.
        """
        if self.gate is not None and line and not self.gate.may_hold(line):
            return 0
        values = [value for value in event.values() if value.__class__ is str]
        if len(values) < len(event) and not self._skipped.issuperset(map(type, event.values())):
            values = list(texts(event))
        held: Collection[int] = ()
        if self._wanted:
            text = SEPARATOR.join(values).lower()
            held = self._joined.exactly(text, utf8(text))
        if self._apart is not None:
            sets = self._sets.sets
            held = frozenset(held).union(*[sets[self._apart[value]] for value in values])
        return self._sets.number(frozenset(held)) if held else 0

    def forget(self) -> None:
        """Drop everything remembered; the sets' numbers are about to be given anew."""
        if self._apart is not None:
            self._apart.forget()


class Gate:
    """Finds whether any keyword may be in a line of JSON, mostly by a few parts of keywords.

    There each run of harmless characters stands as it is, in one case or the other, unless the
    line has characters that are NOT_PLAIN; so where neither such a one nor any keyword's longest
    run is found, no keyword is.
    """

    def __init__(self, runs: Sequence[str], scanners: Scanners) -> None:
        self._runs = runs
        self._scanners = scanners
        self.quick = self._scanner(_parts(runs))
        """Finds nothing in most lines. What it finds something in, `sure` has to look at."""

    @cached_property
    def sure(self) -> Scanner:
        """Finds something where a keyword may be."""
        return self._scanner(self._runs)

    def may_hold(self, line: bytes) -> bool:
        """Whether the line may hold a keyword."""
        return bool(self.quick.found(line) and self.sure.found(line))

    def _scanner(self, texts: Sequence[str]) -> Scanner:
        patterns = [*NOT_PLAIN, *map(literal, texts)]
        return self._scanners.scanner([(each, FLAGS | HS_FLAG_CASELESS) for each in patterns])


def _gate(joined: Sequence[Numbered], scanners: Scanners) -> Gate | None:
    """None if a keyword has no run to speak of."""
    runs = {max(_HARMLESS.findall(each.value), key=len, default="") for _, each in joined}
    if not runs or len(min(runs, key=len)) < MIN_RUN:
        return None
    return Gate(sorted(runs), scanners)


def _parts(runs: Sequence[str]) -> Sequence[str]:
    """A part of each text, the one that most others have too: fewer texts are found sooner."""
    if len(runs) > MAX_SHARING:
        return runs
    parts = [
        {
            run[at : at + length]
            for length in PART_LENGTHS
            for at in range(min(len(run), MAX_SHARING) - length + 1)
        }
        for run in runs
    ]
    common = Counter(part for each in parts for part in each)
    return sorted({max(each, key=lambda part: (common[part], len(part), part)) for each in parts})
