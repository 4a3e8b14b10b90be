"""Rules with filters, of a rule set or of one organisation, against the evaluator made obvious."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from collectors.codec import dumps
from detection.own_rules import exception_of, own_rules
from detection.policy import Policy
from detection.rule_sets import Files
from detection.sigma.ruleset import build
from rules.catalog import Catalog, filter_rules, parse
from rules.documents import Document, Fault
from rules.filters import read_filter
from tests.property.naive_sigma import matches
from tests.property.test_engine_agrees_with_oracle import (
    DETECTIONS,
    EVENTS,
    LOGSOURCE,
    engine_of,
    quick,
    rule_of,
)

RULES = st.lists(DETECTIONS, min_size=2, max_size=4)
EXCLUDING = DETECTIONS.filter(lambda detection: isinstance(detection["condition"], str))
FILTERS = st.lists(st.tuples(EXCLUDING, st.sets(st.integers(0, 3))), min_size=1, max_size=3)
"""What must hold too, and for which rules; for none of them means for all."""
SEEN = st.lists(EVENTS, min_size=4, max_size=6)


@pytest.fixture(autouse=True, scope="module")
def no_stored_databases() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("detection.sigma.ruleset.cache_folder", lambda: None)
        yield


def filter_of(detection: dict[str, Any], rules: set[int]) -> dict[str, Any]:
    named = [rule_of({}, number)["id"] for number in sorted(rules)]
    return {
        "title": "A filter",
        "logsource": {"product": LOGSOURCE.product},
        "filter": {"rules": named or "any", **detection},
    }


def passes(filters: list[tuple[Any, set[int]]], number: int, event: dict[str, Any]) -> bool:
    """Whether all filters that are for the rule let the event through."""
    return all(
        matches({"detection": detection}, event)
        for detection, rules in filters
        if not rules or number in rules
    )


@quick(60)
@given(RULES, FILTERS, SEEN)
def test_filters_of_a_rule_set(
    detections: list[Any], filters: list[tuple[Any, set[int]]], events: list[dict[str, Any]]
) -> None:
    documents = [rule_of(detection, number) for number, detection in enumerate(detections)]
    faults: list[Fault] = []
    rules = [parse(Document("rule.yml", 1, each, {}), faults) for each in documents]
    read = [
        read_filter(Document("filter.yml", number, filter_of(*each), {}), faults)
        for number, each in enumerate(filters)
    ]
    assert faults == []
    filtered = filter_rules([each for each in rules if each], [each for each in read if each], [])
    engine = build(Catalog(filtered), "test")

    found = [[rule.id for rule in engine.match(event, [LOGSOURCE])] for event in events * 2]

    assert found == 2 * [
        [
            document["id"]
            for number, document in enumerate(documents)
            if matches(document, event) and passes(filters, number, event)
        ]
        for event in events
    ]


@quick(60)
@given(RULES, FILTERS, SEEN)
def test_exceptions_of_one_organisation(
    detections: list[Any], filters: list[tuple[Any, set[int]]], events: list[dict[str, Any]]
) -> None:
    documents = [rule_of(detection, number) for number, detection in enumerate(detections)]
    texts = {
        str(number): json.dumps(filter_of(*each), ensure_ascii=False)
        for number, each in enumerate(filters)
    }
    read = [exception_of(name, text, []) for name, text in texts.items()]
    assume(all(read))  # YAML has no word for some texts
    as_read = [
        ({**each.selections, "condition": each.condition}, rules)
        for each, (_, rules) in zip(read, filters, strict=True)
        if each is not None
    ]
    shared = engine_of(*documents)
    own = own_rules(shared, Policy(tenant="school", version=1, filters=texts), Files((), ()))
    lines = [dumps({**event, "soc": {"logsources": [str(LOGSOURCE)]}}) for event in events]

    found = [(at, rule.id) for at, rule in own.match_lines(lines)]

    assert found == [
        (at, document["id"])
        for at, event in enumerate(events)
        for number, document in enumerate(documents)
        if matches(document, event) and passes(as_read, number, event)
    ]
    everything = shared.match_lines(lines)
    assert [(at, rule.id) for at, rule in everything] == [
        (at, document["id"])
        for at, event in enumerate(events)
        for document in documents
        if matches(document, event)
    ]
