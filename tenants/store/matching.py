"""What a filter means, written down as plainly as can be: the oracle of every store's search.

All text is compared after `str.lower()`. Where an event has several values under one name, or a
list, a term holds if it holds for any of them; `not` turns the whole term round.
"""

from collections.abc import Mapping
from typing import Any

from tenants.store.filter import Filter
from tenants.store.terms import And, Compare, Equal, Exists, Like, Node, Not, Or, WordLike, Words
from tenants.store.values import number, own, walk, words
from tenants.store.wildcard import expression, split


def matches(query: Filter, event: Mapping[str, Any]) -> bool:
    """Whether the filter lets this stored event through; `event` has its `soc` object."""
    time = event["soc"]["time"]
    if (query.since and time < query.since) or (query.until and time >= query.until):
        return False
    return query.expression is None or holds(query.expression, event)


def holds(node: Node, event: Mapping[str, Any]) -> bool:
    """Whether the part of a filter holds for an event."""
    match node:
        case And(parts):
            return all(holds(part, event) for part in parts)
        case Or(parts):
            return any(holds(part, event) for part in parts)
        case Not(part):
            return not holds(part, event)
        case Words() | WordLike():
            return any(_in_words(node, words(text)) for text in own(event))
        case _:
            return any(_fits(node, text) for path, text in walk(event) if path == node.field)


def _fits(term: Equal | Like | Exists | Compare, text: str) -> bool:
    match term:
        case Equal(_, value):
            return text.lower() == value.lower()
        case Like(_, pattern):
            return expression(split(pattern.lower())).fullmatch(text.lower()) is not None
        case Compare(_, operator, limit):
            found = number(text)
            return found is not None and _on_side(found, operator, limit)
        case Exists():
            return True


def _on_side(found: float, operator: str, limit: float) -> bool:
    match operator:
        case "<":
            return found < limit
        case "<=":
            return found <= limit
        case ">":
            return found > limit
        case _:
            return found >= limit


def _in_words(term: Words | WordLike, found: list[str]) -> bool:
    if isinstance(term, WordLike):
        pattern = expression(split(term.pattern.lower()))
        return any(pattern.fullmatch(word) for word in found)
    size = len(term.words)
    *whole, last = term.words
    return any(
        found[at : at + size - 1] == whole
        and (found[at + size - 1].startswith(last) if term.prefix else found[at + size - 1] == last)
        for at in range(len(found) - size + 1)
    )
