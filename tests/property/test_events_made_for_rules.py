"""Events made of what a rule asks for, so that it matches or only just does not."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from detection.sigma import lookup
from tests.property.naive_sigma import matches
from tests.property.test_engine_agrees_with_oracle import (
    DETECTIONS,
    LOGSOURCE,
    REGEXES,
    TEXTS,
    engine_of,
    no_stored_databases,
    quick,
    rule_of,
)

__all__ = ["no_stored_databases"]

CHANGES = st.sampled_from(
    [
        *(str, str, str.upper, str.swapcase),
        *(lambda text: text[1:], lambda text: text[:-1]),
        *(lambda text: f"x{text}", lambda text: f"{text}x", lambda text: text * 2),
    ]
)
FILLINGS = st.sampled_from(["", "x", "a", "\n", "\ud800", "\u20ac"])
CUTS = st.lists(st.integers(0, 2), min_size=2, max_size=2)


def lines(definition: Any) -> Iterator[tuple[str, Any]]:
    """Every field and value that a selection names; keywords have no field."""
    if isinstance(definition, dict):
        for key, value in definition.items():
            for each in value if isinstance(value, list) else [value]:
                yield key.partition("|")[0], each
    elif isinstance(definition, list):
        for each in definition:
            yield from lines(each) if isinstance(each, dict) else [("", each)]


def put(event: dict[str, Any], name: str, value: Any, cuts: list[int]) -> None:
    """The value under the name, cut into keys of objects within each other, or whole for 0."""
    parts = name.split(".")
    cut = cuts[0] % len(parts) if cuts else 0
    if not cut:
        event[name] = value
        return
    inner = event.setdefault(".".join(parts[:cut]), {})
    if isinstance(inner, dict):
        put(inner, ".".join(parts[cut:]), value, cuts[1:])


@st.composite
def made_for(draw: st.DrawFn, detection: dict[str, Any]) -> dict[str, Any]:
    """An event with what some lines ask for, changed a little or not at all."""
    asked = [each for name in ("sel_a", "sel_b", "sel_c") for each in lines(detection[name])]
    event: dict[str, Any] = {}
    for field, value in draw(st.lists(st.sampled_from(asked), min_size=1, max_size=5)):
        wanted: Any = value
        if isinstance(value, str):
            text = value.replace("*", draw(FILLINGS)).replace("?", draw(FILLINGS))
            wanted = draw(CHANGES)(text.replace("\\\\", "\\"))
        if draw(st.integers(0, 5)) == 0:
            wanted = [wanted, draw(TEXTS)]
        put(event, field or "Number", wanted, draw(CUTS))
    return event


@quick(400)
@given(st.data(), DETECTIONS, st.sampled_from([0, 6]))
def test_a_rule_matches_what_is_made_for_it(
    data: st.DataObject, detection: dict[str, Any], few: int
) -> None:
    document = rule_of(detection)
    events = data.draw(st.lists(made_for(detection), min_size=4, max_size=8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup, "FEW", few)
        engine = engine_of(document)

        found = [bool(engine.match(event, [LOGSOURCE])) for event in events * 2]

    assert found == [matches(document, event) for event in events] * 2


FLAGS = st.sets(st.sampled_from("ims")).map(lambda flags: "".join(f"|{each}" for each in flags))
LINES = st.sampled_from(["A", "xa\nb", "b\n", "\nB", "a\nb\n", "A.B", "aAb1", "K\u212a", "\u00c9"])


@quick(400)
@example(r"\w-", "|i", ["\u0130-", "\u0131-", "\u017f-", "\u212a-", "i-"])
@given(REGEXES, FLAGS, st.lists(st.one_of(TEXTS, LINES), min_size=8, max_size=12))
def test_flags_of_regular_expressions_count(pattern: str, flags: str, texts: list[str]) -> None:
    document = rule_of({"sel": {f"Image|re{flags}": pattern}, "condition": "sel"})
    engine = engine_of(document)

    found = [bool(engine.match({"Image": text}, [LOGSOURCE])) for text in texts]

    assert found == [matches(document, {"Image": text}) for text in texts]


SHORT = ["".join(each) for size in range(4) for each in product("ab\u20ac", repeat=size)]
OVERLAPS = st.sampled_from(["a*a", "*a*a", "aa*a", "ab*ba", "a*?", "?*a", "a*b*a", "*??", "?*?*?"])


@quick(100)
@given(
    st.one_of(OVERLAPS, st.text(st.sampled_from("ab*?"), min_size=1, max_size=5)),
    st.sampled_from([0, 6]),
)
def test_wildcards_cover_the_whole_text(pattern: str, few: int) -> None:
    document = rule_of({"sel": {"Image": pattern}, "condition": "sel"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup, "FEW", few)
        engine = engine_of(document)

        found = [text for text in SHORT if engine.match({"Image": text}, [LOGSOURCE])]

    assert found == [text for text in SHORT if matches(document, {"Image": text})]


ALIKE = [True, False, 1, 0, 1.0, 1.5, -0.0, "true", "True", "1", "1.0", "01", "0", "-0", 10**15, ""]


@quick(200)
@given(st.lists(st.sampled_from(ALIKE), min_size=1, max_size=2), st.permutations(ALIKE))
def test_every_scalar_has_one_text(asked: list[Any], values: list[Any]) -> None:
    document = rule_of({"sel": {"Image": asked}, "condition": "sel"})
    engine = engine_of(document)

    found = [bool(engine.match({"Image": value}, [LOGSOURCE])) for value in values * 2]

    assert found == [matches(document, {"Image": value}) for value in values] * 2
