"""An explanation's verdict is the engine's, and its parts add up to it."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from detection.sigma.explain import Explainer, Explanation, Part
from detection.sigma.parts import How
from detection.sigma.values import find, text_of
from rules.catalog import parse
from rules.documents import Document
from tests.property.test_engine_agrees_with_oracle import (
    DETECTIONS,
    EVENTS,
    LOGSOURCE,
    TEXT_MODIFIERS,
    engine_of,
    near_misses,
    no_stored_databases,
    quick,
    rule_of,
)

__all__ = ["no_stored_databases"]


def explainer_of(document: dict[str, Any]) -> Explainer:
    rule = parse(Document("rule.yml", 1, document, {}), [])
    assert rule is not None
    return Explainer(rule)


@quick(300)
@given(DETECTIONS, st.lists(EVENTS, min_size=3, max_size=5))
def test_an_explanation_says_what_the_engine_says(
    detection: dict[str, Any], events: list[dict[str, Any]]
) -> None:
    document = rule_of(detection)
    engine = engine_of(document)
    explainer = explainer_of(document)

    for event in events:
        explanation = explainer.explain(event, [LOGSOURCE])

        assert explanation.matches is bool(engine.match(event, [LOGSOURCE]))
        assert_adds_up(explanation, event)


@quick(300)
@given(near_misses(), TEXT_MODIFIERS)
def test_texts_made_from_patterns_are_explained_as_they_match(
    made: tuple[list[str], list[str]], modifiers: str
) -> None:
    patterns, texts = made
    key = "|".join(("Image", *modifiers.split()))
    document = rule_of({"sel": {key: patterns}, "condition": "sel"})
    engine = engine_of(document)
    explainer = explainer_of(document)

    for text in texts:
        event = {"Image": text}
        explanation = explainer.explain(event, [LOGSOURCE])

        assert explanation.matches is bool(engine.match(event, [LOGSOURCE]))
        assert_adds_up(explanation, event)


def assert_adds_up(explanation: Explanation, event: dict[str, Any]) -> None:
    root = explanation.root
    assert root is not None
    assert_part_adds_up(root)
    assert (explanation.missing == 0) is root.held
    assert bool(explanation.failing) is not root.held
    for reason in explanation.reasons:
        if reason.field is not None:
            assert set(reason.values) <= set(texts_of(event, reason.field))


def assert_part_adds_up(part: Part) -> None:
    truths = [each.held for each in part.parts]
    expected = {
        How.ALL: all(truths),
        How.ANY: any(truths),
        How.NOT: truths[:1] == [False],
        How.VALUE: part.held,
    }
    assert part.held is expected[part.how]
    for each in part.parts:
        assert_part_adds_up(each)


def texts_of(event: dict[str, Any], field: str) -> list[str]:
    found = find(event, field)
    values = found if isinstance(found, tuple) else (found,)
    return [text_of(value) for value in values if isinstance(value, str | int | float)]
