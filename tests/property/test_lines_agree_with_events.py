"""Lines of a record, of which only a part is decoded, against whole events and the oracle."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.codec import loads
from detection.sigma import lookup, plan
from tests.property.naive_sigma import matches
from tests.property.test_engine_agrees_with_oracle import (
    DETECTIONS,
    EVENTS,
    LOGSOURCE,
    TEXTS,
    engine_of,
    quick,
    rule_of,
)

SOC = {"id": "aab1", "logsources": [str(LOGSOURCE)], "marks": ["kk"]}
ODD = st.sampled_from(
    [
        b'"a\\ud800"',
        b"NaN",
        b"-Infinity",
        b"1e400",
        b"123456789012345678901234567890",
        b"18446744073709551616",
        b"-9223372036854775809",
        b"1.0",
        b"1e0",
        b'"\\u212a1"',
        b'"\\u0061ab"',
        b'"\xff\xfea"',
        b'"\xed\xa0\x80"',
        b'["a",["b"],null]',
        b'{"b":"a"}',
        b"null",
        b'"' + b"a" * 20_000 + b'"',
        b"[" * 30 + b'"a"' + b"]" * 30,
    ]
)
NAMES = st.sampled_from([b"Image", b"Number", b"a", b"a.b", b"other", b"Im\\u0061ge", b"\xffa"])
MEMBERS = st.lists(st.tuples(NAMES, ODD), max_size=4)


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """An event with odd members, some of them twice, its envelope at any place."""
    event = draw(EVENTS)
    members = [
        json.dumps(name).encode() + b":" + _written(value, ascii_only=draw(st.booleans()))
        for name, value in event.items()
    ]
    members += [b'"' + name + b'":' + value for name, value in draw(MEMBERS)]
    if draw(st.booleans()):
        members.append(b'"nested":{"logsources":["linux//sshd"]}')
    members.insert(draw(st.integers(0, len(members))), b'"soc":' + _written(SOC, ascii_only=True))
    return b"{" + draw(st.sampled_from([b",", b" ,\t"])).join(members) + b"}"


def _written(value: Any, *, ascii_only: bool) -> bytes:
    text = json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def _expected(document: dict[str, Any], line: bytes) -> bool:
    event = loads(line)
    del event["soc"]
    return matches(document, event)


def _flat(detection: dict[str, Any]) -> dict[str, Any]:
    """The same without paths, which need the whole event."""
    written = json.dumps(detection)
    flat: dict[str, Any] = json.loads(written.replace("a.b.c", "other").replace("a.b", "a"))
    return flat


@quick(120)
@given(
    st.one_of(DETECTIONS, DETECTIONS.map(_flat)),
    st.lists(lines(), min_size=4, max_size=6),
    st.sampled_from([0, 6]),
    st.sampled_from([0, 24]),
)
def test_a_line_matches_as_the_event_that_it_holds(
    detection: dict[str, Any], record: list[bytes], few: int, wide: int
) -> None:
    document = rule_of(detection)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup, "FEW", few)
        patch.setattr(plan, "WIDE", wide)
        engine = engine_of(document)

        found = {position for position, _ in engine.match_lines(record * 2)}
        engine._forget()
        found_afresh = {position for position, _ in engine.match_lines(record * 2)}

    expected = [_expected(document, line) for line in record] * 2
    assert found == found_afresh == {at for at, each in enumerate(expected) if each}


PLAIN_WORDS = st.sampled_from(["aab:", "skabs", "k abs", "(sk)", "iabs"])


@quick(200)
@given(
    st.lists(PLAIN_WORDS, min_size=1, max_size=3),
    st.lists(st.one_of(PLAIN_WORDS.map(str.upper), TEXTS), min_size=1, max_size=3),
    st.sampled_from([str, lambda text: text.replace("K", "\u212a").replace("I", "\u0130")]),
    st.booleans(),
)
def test_no_keyword_is_lost_between_a_line_and_its_values(
    keywords: list[str], values: list[str], disguise: Any, ascii_only: bool
) -> None:
    document = rule_of({"sel": keywords, "condition": "sel"})
    engine = engine_of(document)
    event = {str(at): disguise(value) for at, value in enumerate(values)}
    written = _written({**event, "soc": SOC}, ascii_only=ascii_only)
    record = [written, written.replace(b"A", rb"\u0041")] * 2

    found = {position for position, _ in engine.match_lines(record)}

    assert found == ({0, 1, 2, 3} if matches(document, event) else set())
