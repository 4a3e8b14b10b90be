"""Straight-line code that looks up, field after field, which predicates hold for an event."""

from collections.abc import Callable, Mapping, Sequence
from operator import getitem, itemgetter
from typing import Any

from detection.sigma.held import ENTRY_BYTES, Answers, Sets
from detection.sigma.references import Pairs
from detection.sigma.values import find

Signature = tuple[int, ...]
"""For each field the number of the set of predicates that hold; so for references and keywords."""
WIDE = 24
"""Of more fields than this most are missing from any event."""
MAX_SHAPES = 5_000
"""Combinations of an event's keys that are remembered."""
SLOT = "f{}"
"""What the field at a position is called in a struct (see detection.sigma.view)."""


def signer(answers: Mapping[str, Answers], pairs: Sequence[Pairs]) -> Callable[..., Signature]:
    """A function of `(event.get, event)` that looks every field of a mapping up.

    It raises TypeError for a list or an object in a field without a dot.
    """
    names = list(dict.fromkeys([*answers, *(each for pair in pairs for each in pair.names)]))
    place = {
        name: f"find(event, n{at})" if "." in name else f"get(n{at})"
        for at, name in enumerate(names)
    }
    named = {f"n{at}": name for at, name in enumerate(names)}
    return _made("get, event", place, answers, pairs, named)


def slot_signer(
    slots: Mapping[str, int], answers: Mapping[str, Answers], pairs: Sequence[Pairs]
) -> Callable[[Any], Signature]:
    """The same for a struct that has each field at its slot; no name may have a dot."""
    place = {name: f"event.{SLOT.format(at)}" for name, at in slots.items()}
    return _made("event", place, answers, pairs, {})


class WideSigner:
    """The same for a mapping of few of many fields: looks up only those that it has.

    What holds where the others are missing is one number, remembered by the mapping's keys.
    """

    def __init__(self, answers: Mapping[str, Answers], pairs: Sequence[Pairs], sets: Sets) -> None:
        self._answers = answers
        self._telling = [name for name, each in answers.items() if each.asks_for_none]
        """Fields that tell something by being missing."""
        self._pairs = [(pair, *pair.names) for pair in pairs]
        self._sets = sets
        self._shapes: dict[tuple[str, ...], tuple[int, list[Answers], Callable[[Any], Any]]] = {}

    def __call__(self, get: Callable[[str], Any], event: Mapping[str, Any]) -> Signature:
        shape = tuple(event)
        missing, answers, values = self._shapes.get(shape) or self._look_at(shape)
        compared = [pair[get(one), get(other)] for pair, one, other in self._pairs]
        return (missing, *map(getitem, answers, values(event)), *compared)

    def forget(self) -> None:
        """The sets' numbers are about to be given anew."""
        self._shapes.clear()

    def _look_at(self, shape: tuple[str, ...]) -> tuple[int, list[Answers], Callable[[Any], Any]]:
        here = [name for name in shape if name in self._answers]
        sets, missing = self._sets.sets, [name for name in self._telling if name not in here]
        held = frozenset().union(*(sets[self._answers[name][None]] for name in missing))
        found = (self._sets.number(held), [self._answers[name] for name in here], _getter(here))
        if len(self._shapes) >= MAX_SHAPES:
            self._shapes.clear()
        self._shapes[shape] = found
        self._sets.spent += ENTRY_BYTES * (len(shape) + 2)
        return found


def _getter(names: Sequence[str]) -> Callable[[Any], Any]:
    """The values of these names, however few."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda event: [event[name] for name in names]


def _made(
    arguments: str,
    place: Mapping[str, str],
    answers: Mapping[str, Answers],
    pairs: Sequence[Pairs],
    named: Mapping[str, str],
) -> Callable[..., Signature]:
    """Field names reach the code as data; it is made of our own names and integers alone."""
    space: dict[str, Any] = {"find": find, **named}
    looks = []
    for at, (name, each) in enumerate(answers.items()):
        space[f"a{at}"] = each
        looks.append(f"a{at}[{place[name]}]")
    for at, pair in enumerate(pairs):
        space[f"p{at}"] = pair
        looks.append(f"p{at}[{', '.join(place[name] for name in pair.names)}]")
    body = "".join(f"{look}, " for look in looks)
    exec(compile(f"def sign({arguments}):\n    return ({body})\n", "<signer>", "exec"), space)  # noqa: S102 - no outside text in it
    made: Callable[..., Signature] = space.pop("sign")
    return made
