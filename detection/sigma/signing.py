"""Straight-line code that looks up, field after field, which predicates hold for an event."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from detection.sigma.held import Answers
from detection.sigma.references import Pairs
from detection.sigma.values import find

Signature = tuple[int, ...]
"""For each field the number of the set of predicates that hold; so for references and keywords."""
WIDE = 24
"""With more fields than this, most are missing from an event, and asking for that comes first."""
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
        if len(answers) > WIDE and each[None] == 0:
            looks.append(f"0 if (v := {place[name]}) is None else a{at}[v]")
        else:
            looks.append(f"a{at}[{place[name]}]")
    for at, pair in enumerate(pairs):
        space[f"p{at}"] = pair
        looks.append(f"p{at}[{', '.join(place[name] for name in pair.names)}]")
    body = "".join(f"{look}, " for look in looks)
    exec(compile(f"def sign({arguments}):\n    return ({body})\n", "<signer>", "exec"), space)  # noqa: S102 - no outside text in it
    made: Callable[..., Signature] = space.pop("sign")
    return made
