"""Finds keywords in all values of an event, most of which were seen before and held none."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detection.sigma.held import Answers, Sets
from detection.sigma.lookup import Group, Lookup, Numbered
from detection.sigma.predicates import Kind, Predicate
from detection.sigma.values import text_of, texts

SEPARATOR = "\x1f"
"""Between the values of an event when all are searched at once."""
CLEAN_CHARACTERS = 4_000_000
"""How much text is remembered as holding no keyword before that memory starts afresh."""
MAX_CLEAN = 65_536
"""Events with more new text than this are searched anew each time."""
_NOT_OF_NUMBERS = re.compile(r"[^-+.0-9aefilnrstux]")
"""A character that no number's text has, nor `true`, `false`, `nan` and `inf`."""


def can_join(predicate: Predicate) -> bool:
    """Whether a keyword can be looked for in all values at once and never found across two."""
    plain = predicate.kind is Kind.CONTAINS and not predicate.cased
    return plain and SEPARATOR not in predicate.value


class Keywords:
    """Which keywords of several log sources an event holds. Not shared between threads.

    A keyword holds for an event if it holds for one of its values, so values known to hold none
    need no second look. What is new is joined and searched in one pass, as far as the keywords
    allow it.
    """

    def __init__(
        self,
        joined: Sequence[Numbered],
        apart: Sequence[Numbered],
        sets: Sets,
        cache: Path | None,
    ) -> None:
        self._joined = Group(joined, cache, few=0)
        self._apart = Answers([Lookup(apart, cache)], sets) if apart else None
        self._sets = sets
        self._text_only = not apart and all(
            _NOT_OF_NUMBERS.search(predicate.value) for _, predicate in joined
        )
        self._clean: set[Any] = {None}
        self._clean_characters = 0

    def number(self, event: Mapping[str, Any]) -> int:
        """The number of the set of keyword predicates that hold."""
        clean = self._clean
        try:
            fresh = [
                value for value in event.values() if value not in clean and value.__class__ is str
            ]
        except TypeError:  # lists and objects have no hash
            fresh = [text for text in texts(event) if text not in clean]
        else:
            if not self._text_only:
                fresh += [
                    text_of(value)
                    for value in event.values()
                    if value is not None and value.__class__ is not str
                ]
        if not fresh:
            return 0
        text = SEPARATOR.join(fresh).lower()
        held = set(self._joined.exactly(text))
        if self._apart is not None:
            for value in fresh:
                held |= self._sets.sets[self._apart[value]]
        if held:
            return self._sets.number(frozenset(held))
        self._remember(fresh, len(text))
        return 0

    def forget(self) -> None:
        """Drop everything remembered; the sets' numbers are about to be given anew."""
        self._forget_clean()
        if self._apart is not None:
            self._apart.forget()

    def _remember(self, fresh: list[str], size: int) -> None:
        if size > MAX_CLEAN:
            return
        self._clean_characters += size + 100 * len(fresh)
        if self._clean_characters > CLEAN_CHARACTERS:
            self._forget_clean()
        self._clean.update(fresh)

    def _forget_clean(self) -> None:
        self._clean.clear()
        self._clean.add(None)
        self._clean_characters = 0
