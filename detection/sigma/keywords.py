"""Finds keywords in all values of an event, as far as they allow it in one pass."""

import re
from collections.abc import Collection, Mapping, Sequence
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
        self._joined = Group(joined, scanners, few=0) if joined else None
        self._apart = Answers([Lookup(apart, scanners)], sets) if apart else None
        self._sets = sets
        numbers_too = apart or any(
            not _NOT_OF_NUMBERS.search(predicate.value) for _, predicate in joined
        )
        self.gate = None if numbers_too else _gate(joined, scanners)
        """Finds nothing in a line of JSON that cannot hold a keyword; None if any line may."""
        self._skipped = frozenset({str} if numbers_too else {str, int, float, bool, NoneType})

    def number(self, event: Mapping[str, Any], line: bytes) -> int:
        """The number of the set of keyword predicates that hold.

        `line` is the JSON that the event was read from, empty where that is not known.
        """
        if self.gate is not None and line and not self.gate.found(line):
            return 0
        values = [value for value in event.values() if value.__class__ is str]
        if len(values) < len(event) and not self._skipped.issuperset(map(type, event.values())):
            values = list(texts(event))
        held: Collection[int] = ()
        if self._joined is not None:
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


def _gate(joined: Sequence[Numbered], scanners: Scanners) -> Scanner | None:
    """Finds whether any keyword may be in a line of JSON.

    There each run of harmless characters stands as it is, in one case or the other, unless the
    line has characters that are NOT_PLAIN; so where neither such a one nor any keyword's longest
    run is found, no keyword is. None if a keyword has no run to speak of.
    """
    runs = [max(_HARMLESS.findall(each.value), key=len, default="") for _, each in joined]
    if not runs or len(min(runs, key=len)) < MIN_RUN:
        return None
    patterns = [*NOT_PLAIN, *(literal(run) for run in sorted(set(runs)))]
    return scanners.scanner([(each, FLAGS | HS_FLAG_CASELESS) for each in patterns])
