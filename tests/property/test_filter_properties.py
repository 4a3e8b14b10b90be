"""The filter language's quick parts agree with its slow ones, whatever the filter and the event."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tenants.store.filter import Filter, FilterError
from tenants.store.matching import holds
from tenants.store.predicate import compiled
from tenants.store.terms import Node
from tenants.store.wildcard import expression, join, matcher, split
from tests.property.filters_and_events import LETTERS, fields, nodes, patterns, related


def stored(own: dict[str, Any], entities: dict[str, Any]) -> dict[str, Any]:
    return {**own, "soc": {"source": "ab", "related": entities, "time": "2026-11-24"}}


def read(text: str) -> Filter | None:
    """The filter, None for what the language refuses; anything else is a fault."""
    try:
        return Filter.parse(text)
    except FilterError:
        return None


@given(nodes, fields, related)
def test_the_compiled_filter_lets_through_what_the_plain_one_does(
    node: Node, own: dict[str, Any], entities: dict[str, Any]
) -> None:
    event = stored(own, entities)

    assert compiled(node)(event) == holds(node, event)


@given(nodes, fields)
def test_the_canonical_text_means_the_same(node: Node, own: dict[str, Any]) -> None:
    again = Filter.parse(str(Filter(expression=node))).expression

    assert again is not None
    assert holds(again, stored(own, {})) == holds(node, stored(own, {}))


@given(nodes)
def test_the_canonical_text_of_what_was_parsed_is_stable(node: Node) -> None:
    parsed = Filter.parse(str(Filter(expression=node)))

    assert Filter.parse(str(parsed)) == parsed


@given(st.text(LETTERS + "andornotinsince:><=24h", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    parsed = read(text)

    assert parsed is None or Filter.parse(str(parsed)) == parsed


@given(patterns, st.text(LETTERS, max_size=10))
def test_matching_without_going_back_finds_what_a_regular_expression_finds(
    pattern: str, value: str
) -> None:
    parts = split(pattern)

    assert matcher(parts)(value) == (expression(parts).fullmatch(value) is not None)


@given(patterns)
def test_a_pattern_cut_apart_and_joined_is_cut_alike(pattern: str) -> None:
    assert split(join(split(pattern))) == split(pattern)
