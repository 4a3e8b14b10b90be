"""Remembers which predicates hold for a value, as one small number for each distinct set."""

from collections.abc import Sequence
from sys import getsizeof
from typing import Any

from detection.sigma.lookup import Lookup
from detection.sigma.scan import note
from detection.sigma.values import OBJECT, text_of

MAX_VALUE_CHARACTERS = 16_384
"""Longer values, and lists of more than MAX_ELEMENTS, are answered anew each time."""
MAX_ELEMENTS = 64
ENTRY_BYTES = 120
"""What an entry costs beside its value."""


class Sets:
    """Gives every distinct set of predicate numbers one small number; 0 is the empty set."""

    def __init__(self) -> None:
        self.sets: list[frozenset[int]] = [frozenset()]
        self._numbers: dict[frozenset[int], int] = {frozenset(): 0}
        self.spent = 0
        """Estimated bytes of everything remembered by these sets and the answers that use them."""

    def clear(self) -> None:
        """Give all numbers anew; whoever holds one must drop it."""
        self.sets[1:] = []
        self._numbers = {frozenset(): 0}
        self.spent = 0

    def number(self, held: frozenset[int]) -> int:
        """The number of a set, new or known."""
        found = self._numbers.get(held)
        if found is None:
            found = self._numbers[held] = len(self.sets)
            self.sets.append(held)
            self.spent += getsizeof(held) + ENTRY_BYTES
        return found


class Answers(dict[Any, int]):
    """Value of one field to the number of the set of predicates that hold for it.

    Keys are what values.find returns: None, scalars, OBJECT, tuples of them. Indexing with a new
    one works the answer out. Equal keys have equal texts but for 0 and 1, which equal False and
    True: those are never remembered as such.
    """

    __slots__ = (
        "_absent",
        "_affixes",
        "_exact",
        "_longest",
        "_merely_present",
        "_of_held",
        "_parts",
        "_present",
        "_raw",
        "_scans",
        "_sets",
        "_tests",
        "asks_for_none",
    )

    def __init__(self, lookups: Sequence[Lookup], sets: Sets) -> None:
        super().__init__()
        self._sets = sets
        self._exact = _merged([each.exact for each in lookups if each.exact])
        self._longest = max(map(len, self._exact), default=-1)
        """Longer texts are not looked up there, as that takes a pass over them too."""
        self._affixes = [table for each in lookups for table in each.affixes]
        within = [group for each in lookups for group in each.within]
        self._scans = [(each.scanner.scan, each.numbers) for each in within if each.scanner]
        self._parts = [part for each in within for part in each.parts]
        self._tests = [test for each in within for test in each.others]
        self._raw = [each for each in lookups if each.looks_at_raw]
        self._present = frozenset(number for each in lookups for number in each.present)
        self._absent = frozenset(number for each in lookups for number in each.absent)
        self.asks_for_none = bool(self._absent)
        """Whether it says anything of an event that the field is missing."""
        self._merely_present = 0
        self._of_held: dict[tuple[int, ...], int] = {}
        self.forget()

    def forget(self) -> None:
        """Start afresh, with the two answers that always are the same."""
        self.clear()
        self._of_held.clear()
        self[None] = self._sets.number(self._absent)
        self[OBJECT] = self._merely_present = self._sets.number(self._present)

    def __missing__(self, value: Any) -> int:
        if value.__class__ is not str:
            return self._of_another_kind(value)
        low = value.lower()
        held: list[int] = []
        if len(low) <= self._longest and low in self._exact:
            held += self._exact[low]
        for cut, table, how in self._affixes:
            if (outermost := low[cut]) in table:
                for number, affix in table[outermost]:
                    if how(low, affix):
                        held.append(number)
        if self._scans:
            hits: list[int] = []
            data = utf8(low)
            for scan, numbers in self._scans:
                scan(data, note, 0, hits)
                if hits:
                    held += [numbers[position] for position in hits]
                    hits.clear()
        for number, part in self._parts:
            if part in low:
                held.append(number)
        if self._tests:
            held += [number for number, test in self._tests if test(low)]
        for lookup in self._raw:
            held += lookup.raw(value)
        number = self._number(tuple(held)) if held else self._merely_present
        if len(value) <= MAX_VALUE_CHARACTERS:
            self[value] = number
            self._sets.spent += getsizeof(value) + ENTRY_BYTES
        return number

    def _number(self, held: tuple[int, ...]) -> int:
        number = self._of_held.get(held)
        if number is None:
            number = self._of_held[held] = self._sets.number(self._present.union(held))
            self._sets.spent += getsizeof(held) + ENTRY_BYTES
        return number

    def _of_another_kind(self, value: Any) -> int:
        if isinstance(value, tuple):
            return self._of_elements(value)
        number = self[text_of(value)]
        if value not in (0, 1) and value == value:  # NaN is never found again
            self[value] = number
            self._sets.spent += ENTRY_BYTES
        return number

    def _of_elements(self, values: tuple[Any, ...]) -> int:
        sets = self._sets.sets
        held = frozenset().union(*(sets[self[value]] for value in values))
        number = self._sets.number(held)
        if len(values) <= MAX_ELEMENTS:
            self[values] = number
            self._sets.spent += ENTRY_BYTES * len(values)
        return number


def _merged(tables: Sequence[dict[str, list[int]]]) -> dict[str, list[int]]:
    if len(tables) == 1:
        return tables[0]
    merged: dict[str, list[int]] = {}
    for table in tables:
        for text, numbers in table.items():
            merged.setdefault(text, []).extend(numbers)
    return merged


def utf8(text: str) -> bytes:
    """The bytes that patterns are looked for in; a lone surrogate has three, as others do."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
