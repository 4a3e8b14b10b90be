"""How a text begins and ends, looked up by its outermost characters."""

from collections.abc import Callable, Sequence

from detection.sigma.predicates import Kind, Predicate

LENGTHS = (12, 8, 4, 2, 1)
"""An affix is found by the most of these many outermost characters that it has."""
Affix = tuple[int, str]
"""A predicate's number and what it asks for."""
Table = tuple[slice, dict[str, list[Affix]], Callable[[str, str], bool]]
"""Which characters of a text to look up, what to ask of it then, and how."""


def tables(predicates: Sequence[tuple[int, Predicate]]) -> list[Table]:
    """Tables that answer these predicates, each a STARTS or an ENDS and none of them cased.

    However many they are, a text costs as many look-ups as there are tables, ten at most.
    """
    found: dict[tuple[Kind, int], Table] = {}
    for number, predicate in predicates:
        kind, affix = predicate.kind, predicate.value
        length = next(each for each in LENGTHS if each <= len(affix))
        if (kind, length) not in found:
            starts = kind is Kind.STARTS
            cut = slice(length) if starts else slice(-length, None)
            found[kind, length] = (cut, {}, str.startswith if starts else str.endswith)
        cut, table, _ = found[kind, length]
        table.setdefault(affix[cut], []).append((number, affix))
    return list(found.values())
