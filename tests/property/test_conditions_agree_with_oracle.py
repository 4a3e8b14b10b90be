"""Conditions of every form over their whole truth table."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.catalog import parse
from rules.documents import Document, Fault
from rules.filters import Filter, filtered, read_filter
from tests.property.naive_sigma import matches
from tests.property.test_engine_agrees_with_oracle import (
    LOGSOURCE,
    engine_of,
    no_stored_databases,
    quick,
    rule_of,
)

__all__ = ["no_stored_databases"]

NAMES = ("sel_a", "sel_b", "filter", "filter-2", "_sel")
SELECTIONS = {name: {f"field {number}": 1} for number, name in enumerate(NAMES)}
EVENTS = [
    {f"field {number}": 1 for number, holds in enumerate(every) if holds}
    for every in product([False, True], repeat=len(NAMES))
]
PATTERNS = ("them", "sel_*", "*_a", "*", "filter*", "f*r", "sel_b", "_*", "_sel", "*e*")
OPERANDS = st.one_of(
    st.sampled_from(NAMES),
    st.builds("{} of {}".format, st.sampled_from(["1", "any", "all"]), st.sampled_from(PATTERNS)),
)
CONDITIONS = st.recursive(
    OPERANDS,
    lambda inner: st.one_of(
        inner.map("not {}".format),
        inner.map("({})".format),
        st.builds("{} {} {}".format, inner, st.sampled_from(["and", "or"]), inner),
    ),
    max_leaves=8,
)


def filter_of(condition: str, number: int) -> Filter:
    content = {
        "title": f"Filter {number}",
        "logsource": {"product": LOGSOURCE.product},
        "filter": {"rules": "any", **SELECTIONS, "condition": condition},
    }
    faults: list[Fault] = []
    read = read_filter(Document("filter.yml", number, content, {}), faults)
    assert read is not None, faults
    return read


@quick(200)
@given(CONDITIONS)
def test_a_condition_of_any_form(condition: str) -> None:
    document = rule_of({**SELECTIONS, "condition": condition})
    engine = engine_of(document)

    found = [bool(engine.match(event, [LOGSOURCE])) for event in EVENTS]

    assert found == [matches(document, event) for event in EVENTS]


@quick(60)
@given(CONDITIONS, st.lists(CONDITIONS, min_size=1, max_size=2))
def test_a_filters_condition_speaks_of_its_own_selections(rule: str, filters: list[str]) -> None:
    document = rule_of({**SELECTIONS, "condition": rule})
    joined = filtered(
        Document("rule.yml", 1, document, {}),
        [filter_of(condition, number) for number, condition in enumerate(filters)],
    )
    engine = engine_of(joined.content)

    found = [bool(engine.match(event, [LOGSOURCE])) for event in EVENTS]

    asked = [document, *(rule_of({**SELECTIONS, "condition": each}) for each in filters)]
    assert found == [all(matches(each, event) for each in asked) for event in EVENTS]


@pytest.mark.parametrize(
    ("names", "condition", "pattern"),
    [
        (("_a", "_b"), "1 of them", "them"),
        (("_a", "b"), "b and not 1 of *a", "*a"),
        (("a",), "all of b", "b"),
        (("a",), "a and 1 of filter_*", "filter_*"),
    ],
)
def test_a_pattern_for_no_selection_is_refused(
    names: tuple[str, ...], condition: str, pattern: str
) -> None:
    document = rule_of({**{name: {"f": 1} for name in names}, "condition": condition})
    faults: list[Fault] = []

    rule = parse(Document("rule.yml", 1, document, {"condition": 7}), faults)

    assert rule is None
    assert [fault.line for fault in faults] == [7]
    assert f"asks for '{pattern}', and no selection is called so" in faults[0].message
