"""A filter made into a query: never narrower than the filter, and it says whether it is as narrow.

Where it is wider – a phrase whose last word is open, a pattern that would be too costly for an
automaton – whoever asks looks at each event found as well (tenants.store.predicate).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tenants.store.blocks import microseconds
from tenants.store.elasticsearch import layout
from tenants.store.elasticsearch.document import LOOKED_AT
from tenants.store.filter import Filter
from tenants.store.terms import And, Compare, Equal, Exists, Like, Node, Not, Or, WordLike, Words
from tenants.store.wildcard import Part, Wild, split

Query = Mapping[str, Any]
_EVERYTHING: Query = {"match_all": {}}
_MAX_PATTERN = 300
_MAX_ANY = 12
_MAX_ONE = 8
"""Bounds on a pattern: `?` after `*` doubles the automaton that Lucene makes of it."""
_LAST_DIGIT = "g"
"""Sorts after every hexadecimal digit."""


class Asked(NamedTuple):
    """A query, and whether it lets through only what the filter does."""

    query: Query
    exact: bool


INDEXED_WHOLLY: Query = {"bool": {"must_not": [{"terms": {layout.FAILED: list(LOOKED_AT)}}]}}
LOOKED_AT_ALONE: Query = {"terms": {layout.FAILED: list(LOOKED_AT)}}


def within(query: Filter) -> list[Query]:
    """What the filter's bounds of time ask."""
    bounds = {}
    if query.since:
        bounds["gte"] = microseconds(query.since)
    if query.until:
        bounds["lt"] = microseconds(query.until)
    return [{"range": {layout.TIME: bounds}}] if bounds else []


def asked(node: Node | None) -> Asked:
    """The query of the part of a filter, over events that are in the index wholly."""
    match node:
        case None:
            return Asked(_EVERYTHING, exact=True)
        case And(parts):
            inner = [asked(part) for part in parts]
            return Asked(all_of([part.query for part in inner]), all(part.exact for part in inner))
        case Or(parts):
            inner = [asked(part) for part in parts]
            return Asked(any_of([part.query for part in inner]), all(part.exact for part in inner))
        case Not(part):
            found = asked(part)
            # What is wider than the part is narrower when it is turned round.
            turned = {"bool": {"must_not": [found.query]}} if found.exact else _EVERYTHING
            return Asked(turned, found.exact)
        case Words(found, prefix):
            return _words(found, prefix=prefix)
        case WordLike(pattern):
            return _word_like(split(pattern.lower()))
        case _:
            return _on_field(node)


def all_of(queries: Sequence[Query]) -> Query:
    """What every query lets through; none of them counts for the order."""
    return {"bool": {"filter": list(queries)}}


def any_of(queries: Sequence[Query]) -> Query:
    """What at least one query lets through."""
    return {"bool": {"should": list(queries), "minimum_should_match": 1}}


def _on_field(term: Equal | Like | Exists | Compare) -> Asked:
    path = term.field
    if path == layout.ORIGINAL or not _is_unicode(path):
        return Asked(_EVERYTHING, exact=False)
    match term:
        case Equal(_, value) if _is_unicode(value):
            return Asked(_in_either(path, value.lower(), _term, layout.PAIRS, ""), exact=True)
        case Like(_, pattern):
            return _like(path, split(pattern.lower()))
        case Compare():
            return Asked(_compare(term), exact=True)
        case Exists():
            names: Query = {"term": {layout.NAMES: layout.escaped(path)}}
            if not layout.is_field(path):
                return Asked(names, exact=True)
            return Asked(any_of([{"exists": {"field": path}}, names]), exact=True)
        case _:
            # What is not Unicode stands in no index, and such an event is looked at.
            return Asked({"match_none": {}}, exact=True)


def _like(path: str, parts: Sequence[Part]) -> Asked:
    if any(isinstance(part, str) and not _is_unicode(part) for part in parts):
        return Asked({"match_none": {}}, exact=True)
    if not _is_cheap(parts):
        return Asked(_on_field(Exists(path)).query, exact=False)
    return Asked(_in_either(path, _pattern(parts), _wildcard, layout.PAIRS, "*?\\"), exact=True)


def _in_either(
    path: str, value: str, query: Callable[[str, str], Query], pairs: str, special: str
) -> Query:
    """As a field of the index, or as a pair."""
    name = "".join(f"\\{char}" if char in special else char for char in layout.escaped(path))
    in_pairs = query(pairs, f"{name}\0{value}")
    return any_of([query(path, value), in_pairs]) if layout.is_field(path) else in_pairs


def _term(field: str, value: str) -> Query:
    return {"term": {field: value}}


def _wildcard(field: str, pattern: str) -> Query:
    return {"wildcard": {field: {"value": pattern}}}


def _prefix(field: str, beginning: str) -> Query:
    return {"prefix": {field: beginning}}


def _compare(term: Compare) -> Query:
    lowest, highest = f"{layout.escaped(term.field)}\0", f"{layout.escaped(term.field)}\0"
    limit = layout.number_term(term.field, term.limit)
    highest += _LAST_DIGIT
    match term.operator:
        case "<":
            bounds = {"gte": lowest, "lt": limit}
        case "<=":
            bounds = {"gte": lowest, "lte": limit}
        case ">":
            bounds = {"gt": limit, "lt": highest}
        case _:
            bounds = {"gte": limit, "lt": highest}
    return {"range": {layout.NUMBERS: bounds}}


def _words(found: Sequence[str], *, prefix: bool) -> Asked:
    each = [_word(word) for word in found[:-1]]
    each.append(_beginning(found[-1]) if prefix else _word(found[-1]))
    if len(found) == 1:
        return Asked(each[0], exact=True)
    if prefix or any(len(word) > layout.LONGEST_WORD for word in found):
        return Asked(all_of(each), exact=False)
    return Asked({"match_phrase": {layout.TEXTS: " ".join(found)}}, exact=True)


def _word(word: str) -> Query:
    return _term(layout.TEXTS if len(word) <= layout.LONGEST_WORD else layout.LONG_WORDS, word)


def _beginning(word: str) -> Query:
    return any_of([_prefix(field, word) for field in (layout.TEXTS, layout.LONG_WORDS)])


def _word_like(parts: Sequence[Part]) -> Asked:
    if not _is_cheap(parts):
        return Asked(_EVERYTHING, exact=False)
    fields = (layout.TEXTS, layout.LONG_WORDS)
    pattern = _pattern(parts)
    found = any_of([_wildcard(field, pattern) for field in fields])
    # The mark that keeps a long word's place is one character, and no word.
    may_be_mark = not any(isinstance(part, str) for part in parts)
    return Asked(found, exact=not may_be_mark)


def _pattern(parts: Sequence[Part]) -> str:
    return "".join(
        part.value
        if isinstance(part, Wild)
        else "".join(f"\\{char}" if char in "*?\\" else char for char in part)
        for part in parts
    )


def _is_cheap(parts: Sequence[Part]) -> bool:
    return (
        sum(len(part) if isinstance(part, str) else 1 for part in parts) <= _MAX_PATTERN
        and parts.count(Wild.ANY) <= _MAX_ANY
        and parts.count(Wild.ONE) <= _MAX_ONE
    )


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)
