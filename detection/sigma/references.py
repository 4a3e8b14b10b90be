"""Fields compared with each other: which references hold for two values."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from detection.sigma.held import ENTRY_BYTES, MAX_VALUE_CHARACTERS, Sets
from detection.sigma.lookup import Numbered
from detection.sigma.predicates import Predicate, tester
from detection.sigma.values import OBJECT, text_of


class Pairs(dict[tuple[Any, Any], int]):
    """Values of two fields to the number of the set of references between them that hold.

    Keys are pairs of what values.find returns. As in Answers, 0 and 1 are not remembered.
    """

    def __init__(self, names: tuple[str, str], predicates: Sequence[Numbered], sets: Sets) -> None:
        super().__init__()
        self.names = names
        """The field, and the one that it is compared with."""
        self._predicates = predicates
        self._sets = sets
        self.forget()

    def forget(self) -> None:
        """Start afresh with the answer where both fields are missing."""
        self.clear()
        self[None, None] = 0

    def __missing__(self, values: tuple[Any, Any]) -> int:
        texts, wanted = map(_folded, values)
        held = [
            number
            for number, predicate in self._predicates
            if any(_holds(predicate, each, texts) for each in wanted)
        ]
        number = self._sets.number(frozenset(held))
        size = sum(map(len, (*texts, *wanted)))
        if size <= MAX_VALUE_CHARACTERS and all(map(_can_be_remembered, values)):
            self[values] = number
            self._sets.spent += 2 * ENTRY_BYTES + 4 * size
        return number


def pairs_of(references: Iterable[Numbered], sets: Sets) -> list[Pairs]:
    """All references, gathered by the two fields that they compare."""
    found: dict[tuple[str, str], list[Numbered]] = {}
    for number, predicate in references:
        names = (str(predicate.field), str(predicate.value[1]))
        found.setdefault(names, []).append((number, predicate))
    return [Pairs(names, predicates, sets) for names, predicates in sorted(found.items())]


def _holds(predicate: Predicate, wanted: str, texts: Iterable[str]) -> bool:
    return any(map(tester(Predicate(None, predicate.value[0], wanted)), texts))


def _folded(found: Any) -> list[str]:
    return [text_of(value).lower() for value in _elements(found)]


def _elements(found: Any) -> Iterator[Any]:
    for value in found if isinstance(found, tuple) else (found,):
        if value is not None and value is not OBJECT:
            yield value


def _can_be_remembered(value: Any) -> bool:
    """Whether equal values have equal texts, and this one is found again."""
    if isinstance(value, str | tuple) or value is None or value is OBJECT:
        return True
    return bool(value not in (0, 1) and value == value)
