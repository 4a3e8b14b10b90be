"""The engine, made to be quick, against an evaluator made to be obvious."""

import functools
import json
import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.logsource import LogSource
from detection.sigma import Engine, lookup
from detection.sigma.ruleset import build
from rules.catalog import Catalog, parse
from rules.documents import Document
from tests.property.naive_sigma import ASKED, matches

LOGSOURCE = LogSource("windows", "process_creation", "")
TEXTS = st.text(
    st.sampled_from(
        "aaAbBsSkK01 \\\\--//..%:\n\v\t\x1f\u017f\u212a\u0130\u03a3\u03c2\u00e9\ud800\u20ac"
    ),
    max_size=6,
)
PATTERNS = st.text(
    st.sampled_from("aaAbBsSkK01 \\\\--//..**??\u017f\u212a\u03a3\u00e9\ud800"), max_size=5
)
FIELDS = st.sampled_from(["Image", "a.b", "a.b.c", "Number", "When", "Address"])
SCALARS = st.one_of(
    TEXTS,
    st.integers(-2, 12),
    st.sampled_from([0, 1, True, False, None, 1.0, 1.5, 0.0, -0.0, 10**15, "1", "true", "1.5", ""]),
    st.sampled_from(
        ["2026-11-24T13:47:03Z", "2026-11-24 13:47:03+05:00", "1764000000", 1764000000]
    ),
    st.sampled_from(["10.1.2.3", "::ffff:10.1.2.3", "fe80::1", "10.1.2.300"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["b", "c", "b.c"]), inner, max_size=2),
    ),
    max_leaves=4,
)
EVENTS = st.dictionaries(
    st.sampled_from(["Image", "a", "a.b", "a.b.c", "Number", "When", "Address", "logsource"]),
    VALUES,
    max_size=5,
)
TEXT_MODIFIERS = st.sampled_from(
    [
        "",
        "contains",
        "startswith",
        "endswith",
        "cased",
        "contains cased",
        "windash",
        "contains windash",
        "neq",
        "contains all",
        "all",
        "endswith cased",
        "contains neq",
    ]
)
REGEXES = st.sampled_from(
    [
        "a",
        "^a",
        "b$",
        "a.b",
        "^[ab]+$",
        "k",
        r"\d",
        r"\w-",
        r"[^a]",
        "a?b*1",
        "(a|b)1",
        "",
        r"\\",
        "é",
    ]
)
LONGER = 40
"""Times as many cases in the profile `long`, new ones each time."""
ONE_OR_MORE = {"min_size": 1, "max_size": 3}


@st.composite
def items(draw: st.DrawFn) -> tuple[str, Any]:
    """A field with modifiers, and its value or values."""
    field = draw(FIELDS)
    kind = draw(st.sampled_from(["text", "text", "text", "scalar", "re", "number", "other"]))
    if kind == "text":
        modifiers = draw(TEXT_MODIFIERS)
        values = draw(st.lists(PATTERNS, **ONE_OR_MORE))
        return _key(field, modifiers), values
    if kind == "scalar":
        return field, draw(st.one_of(SCALARS, st.lists(SCALARS, **ONE_OR_MORE)))
    if kind == "re":
        flags = "".join(f"|{flag}" for flag in draw(st.sets(st.sampled_from("ims"))))
        return f"{field}|re{flags}", draw(st.lists(REGEXES, **ONE_OR_MORE))
    if kind == "number":
        comparison = draw(st.sampled_from(["lt", "lte", "gt", "gte"]))
        return f"{field}|{comparison}", draw(st.sampled_from([0, 1, 1.5, 10]))
    return draw(
        st.sampled_from(
            [
                (f"{field}|exists", True),
                (f"{field}|exists", False),
                (f"{field}|fieldref", "a.b"),
                (f"{field}|fieldref|contains", "Image"),
                (f"{field}|fieldref|startswith", "Number"),
                (f"{field}|fieldref|endswith", "a.b.c"),
                ("Address|cidr", ["10.0.0.0/8", "fe80::/10"]),
                ("Address|cidr|neq", "10.0.0.0/8"),
                ("When|hour", 13),
                ("When|day", 24),
                ("When|year", 2026),
                ("When|week", 48),
                ("When|minute", 47),
                ("When|month", 11),
                (f"{field}|base64offset|contains", "a"),
                (f"{field}|wide|contains", "ab"),
                (f"{field}|utf16le|startswith", "a"),
                (f"{field}|utf16be", "a"),
            ]
        )
    )


KEYWORDS = st.one_of(
    st.lists(PATTERNS.filter(bool), **ONE_OR_MORE),
    st.lists(st.sampled_from(["aab", "kk", 1, "true", "a*b", "\x1f"]), **ONE_OR_MORE),
    st.builds(lambda values: {"|all": values}, st.lists(PATTERNS.filter(bool), **ONE_OR_MORE)),
    st.builds(lambda values: {"|re": values}, st.lists(REGEXES, **ONE_OR_MORE)),
    st.builds(lambda values: {"|cased": values}, st.lists(PATTERNS.filter(bool), **ONE_OR_MORE)),
)
MAPS = st.lists(items(), **ONE_OR_MORE).map(dict)
SELECTIONS = st.one_of(MAPS, MAPS, st.lists(MAPS, **ONE_OR_MORE), KEYWORDS)
CONDITIONS = st.sampled_from(
    [
        "sel_a",
        "not sel_a",
        "sel_a and sel_b",
        "sel_a or sel_b",
        "sel_a and not sel_b",
        "not (sel_a or sel_b)",
        "1 of sel_*",
        "all of them",
        "not 1 of sel_*",
        "sel_a and not 1 of sel_b*",
        "sel_a or sel_b and not sel_c",
        "(sel_a or sel_b) and sel_c",
        "not sel_a and not all of sel_*",
        ["sel_a and sel_b", "sel_c"],
    ]
)
DETECTIONS = st.fixed_dictionaries(
    {"sel_a": SELECTIONS, "sel_b": SELECTIONS, "sel_c": SELECTIONS, "condition": CONDITIONS}
)


def _key(field: str, modifiers: str) -> str:
    return "|".join((field, *modifiers.split()))


def rule_of(detection: dict[str, Any], number: int = 0) -> dict[str, Any]:
    return {
        "title": f"Rule {number}",
        "id": str(uuid.UUID(int=number)),
        "logsource": {"product": LOGSOURCE.product, "category": LOGSOURCE.category},
        "detection": detection,
    }


def engine_of(*documents: dict[str, Any], lists: dict[str, list[str]] | None = None) -> Engine:
    faults: list[Any] = []
    rules = [parse(Document("rule.yml", 1, document, {}), faults) for document in documents]
    catalog = Catalog([rule for rule in rules if rule], faults=faults)
    engine = build(catalog, "test", lists=lists)
    assert not engine.faults, engine.faults
    return engine


@pytest.fixture(autouse=True, scope="module")
def no_stored_databases() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("detection.sigma.ruleset.cache_folder", lambda: None)
        yield


def quick(cases: int) -> Callable[[Any], Any]:
    """So many drawn cases, and each counted."""
    limits = settings(
        max_examples=cases * LONGER if os.environ.get("HYPOTHESIS_PROFILE") == "long" else cases,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )

    def counted(test: Any) -> Any:
        drawn = test.hypothesis.inner_test

        @functools.wraps(drawn)
        def case(*arguments: Any, **named: Any) -> None:
            ASKED["cases"] += 1
            drawn(*arguments, **named)

        test.hypothesis.inner_test = case
        return limits(test)

    return counted


@quick(400)
@given(DETECTIONS, st.lists(EVENTS, min_size=5, max_size=8), st.sampled_from([0, 6]))
def test_one_rule_matches_what_the_specification_says(
    detection: dict[str, Any], events: list[dict[str, Any]], few: int
) -> None:
    document = rule_of(detection)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup, "FEW", few)
        engine = engine_of(document)

        found = [bool(engine.match(event, [LOGSOURCE])) for event in events * 2]

    assert found == [matches(document, event) for event in events] * 2


@quick(40)
@given(st.lists(DETECTIONS, min_size=8, max_size=20), st.lists(EVENTS, min_size=5, max_size=10))
def test_rules_that_share_predicates_do_not_disturb_each_other(
    detections: list[dict[str, Any]], events: list[dict[str, Any]]
) -> None:
    documents = [rule_of(detection, number) for number, detection in enumerate(detections)]
    engine = engine_of(*documents)

    found = [[rule.id for rule in engine.match(event, [LOGSOURCE])] for event in events]

    assert found == [
        [document["id"] for document in documents if matches(document, event)] for event in events
    ]


CHARACTERS = st.sampled_from(
    "aAbsSkK1 \\-/\n\v\u017f\u212a\u0130\u03a3\u03c2\u00e9\u00c9\ud800\u20ac"
)
WORDS = st.sampled_from(
    [
        "",
        "ab",
        "AB",
        "k",
        "\u212a",
        "s",
        "\u017f",
        "\u03b1\u03a3",
        "\u00e9",
        "\ud800",
        "-a",
        "/a",
        "\\\\a",
    ]
)
WILDS = st.lists(st.one_of(WORDS, WORDS, st.sampled_from(["*", "?", "\\*", "\\?"])), max_size=4)


@st.composite
def near_misses(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """Patterns, and texts made from them: filled in, in another case, with more around them."""
    patterns = draw(st.lists(WILDS.map("".join), **ONE_OR_MORE))
    texts = []
    for pattern in patterns * 2:
        filled = pattern.replace("\\*", "\ue001").replace("\\?", "\ue002").replace("\\\\", "\\")
        filled = filled.replace("*", draw(TEXTS)).replace("?", draw(CHARACTERS))
        filled = filled.replace("\ue001", "*").replace("\ue002", "?")
        cased = draw(st.sampled_from([str, str.upper, str.lower, str.swapcase]))(filled)
        before, after = draw(st.tuples(st.sampled_from(["", "", "x"]), st.sampled_from(["", "\n"])))
        texts.append(before + cased + after)
    return patterns, texts


@quick(500)
@given(near_misses(), TEXT_MODIFIERS, st.sampled_from([0, 6]))
def test_texts_made_from_patterns_match_as_they_should(
    made: tuple[list[str], list[str]], modifiers: str, few: int
) -> None:
    patterns, texts = made
    document = rule_of({"sel": {_key("Image", modifiers): patterns}, "condition": "sel"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup, "FEW", few)
        engine = engine_of(document)

        found = [bool(engine.match({"Image": text}, [LOGSOURCE])) for text in texts]

    assert found == [matches(document, {"Image": text}) for text in texts]


@quick(400)
@given(REGEXES, st.lists(st.one_of(TEXTS, WORDS), min_size=8, max_size=12))
def test_regular_expressions_find_what_they_should(pattern: str, texts: list[str]) -> None:
    document = rule_of({"sel": {"Image|re": pattern}, "condition": "sel"})
    engine = engine_of(document)

    found = [bool(engine.match({"Image": text}, [LOGSOURCE])) for text in texts]

    assert found == [matches(document, {"Image": text}) for text in texts]


KEYWORD_CONTENTS = st.sampled_from(
    ["SKABS", "\u017fkabs", "\u212aabs", "AaB:", "sk", "abs", "\\absk", 1234]
)


@quick(200)
@given(
    st.lists(st.sampled_from(["skabs", "aab:", "\u212aabs", "1234", "sAk\\\\absk"]), **ONE_OR_MORE),
    st.lists(st.lists(KEYWORD_CONTENTS, **ONE_OR_MORE), min_size=6, max_size=8),
    st.booleans(),
)
def test_keywords_in_raw_lines_match_as_in_the_values(
    keywords: list[str], contents: list[list[Any]], escaped: bool
) -> None:
    document = rule_of({"sel_a": keywords, "condition": "sel_a"})
    engine = engine_of(document)
    events = [{str(at): each for at, each in enumerate(values)} for values in contents]
    soc = {"soc": {"logsources": [str(LOGSOURCE)], "id": "skabs"}}
    lines = [
        json.dumps({**event, **soc}, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
        for event in events
    ]
    if escaped:
        lines = [line.replace(b"abs", rb"\u0061bs") for line in lines]

    found = {position for position, _ in engine.match_lines(lines)}

    assert found == {at for at, event in enumerate(events) if matches(document, event)}


@quick(150)
@given(KEYWORDS, st.lists(EVENTS, min_size=4, max_size=6))
def test_nested_values_are_searched_for_keywords(
    keywords: Any, events: list[dict[str, Any]]
) -> None:
    document = rule_of({"sel_a": keywords, "condition": "sel_a"})
    engine = engine_of(document)

    found = [bool(engine.match(event, [LOGSOURCE])) for event in events]

    assert found == [matches(document, event) for event in events]


REFERENCES = st.sampled_from(["", "|startswith", "|endswith", "|contains"])


@quick(200)
@given(REFERENCES, st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=8, max_size=10))
def test_one_field_is_compared_with_another(how: str, texts: list[tuple[str, str, str]]) -> None:
    document = rule_of({"sel": {f"Image|fieldref{how}": "a.b"}, "condition": "sel"})
    engine = engine_of(document)
    events = [{"Image": one + two, "a": [{"b": two}, {"b": three}]} for one, two, three in texts]

    found = [bool(engine.match(event, [LOGSOURCE])) for event in events * 2]

    assert found == [matches(document, event) for event in events] * 2
