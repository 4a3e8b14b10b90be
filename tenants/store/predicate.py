"""Filters made ready to look at many events: the quick twin of matching.holds."""

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tenants.store.terms import And, Compare, Equal, Exists, Like, Node, Not, Or, WordLike, Words
from tenants.store.values import number, own, text, words
from tenants.store.wildcard import matcher, split

Event = Mapping[str, Any]
Predicate = Callable[[Event], bool]
_SIDES: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compiled(node: Node) -> Predicate:
    """A function that says whether the part of a filter holds for an event."""
    match node:
        case And(parts):
            inner = tuple(map(compiled, parts))
            return lambda event: all(part(event) for part in inner)
        case Or(parts):
            inner = tuple(map(compiled, parts))
            return lambda event: any(part(event) for part in inner)
        case Not(part):
            holds = compiled(part)
            return lambda event: not holds(event)
        case Words() | WordLike():
            return _free(node)
        case _:
            return _on_field(node.field, _test(node))


def _on_field(field: str, test: Callable[[str], bool]) -> Predicate:
    nested = "." in field

    def holds(event: Event) -> bool:
        value = None if nested else event.get(field)
        if value.__class__ is str:
            return test(value)
        return any(test(text(found)) for found in _reach(event, field))

    return holds


def _reach(value: Any, path: str) -> Iterator[Any]:
    """What stands at the path; a name may itself hold dots, so each way to cut it is tried."""
    if isinstance(value, list):
        for inner in value:
            yield from _reach(inner, path)
    elif isinstance(value, dict):
        yield from _scalars(value.get(path))
        cut = path.find(".")
        while cut >= 0:
            if path[:cut] in value:
                yield from _reach(value[path[:cut]], path[cut + 1 :])
            cut = path.find(".", cut + 1)


def _scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for inner in value:
            yield from _scalars(inner)
    elif value is not None and not isinstance(value, dict):
        yield value


def _test(term: Equal | Like | Exists | Compare) -> Callable[[str], bool]:
    match term:
        case Equal(_, value):
            folded = value.lower()
            return lambda found: found.lower() == folded
        case Like(_, pattern):
            fits = matcher(split(pattern.lower()))
            return lambda found: fits(found.lower())
        case Compare(_, sign, limit):
            return _number_test(_SIDES[sign], limit)
        case Exists():
            return lambda _found: True


def _number_test(side: Callable[[float, float], bool], limit: float) -> Callable[[str], bool]:
    def test(found: str) -> bool:
        value = number(found)
        return value is not None and side(value, limit)

    return test


def _free(term: Words | WordLike) -> Predicate:
    if isinstance(term, WordLike):
        fits = matcher(split(term.pattern.lower()))
        return lambda event: any(fits(word) for found in own(event) for word in words(found))
    phrase = " " + " ".join(term.words) + ("" if term.prefix else " ")
    first = term.words[0]

    def holds(event: Event) -> bool:
        return any(
            phrase in f" {' '.join(words(found))} "
            for found in own(event)
            if first in found.lower()
        )

    return holds
