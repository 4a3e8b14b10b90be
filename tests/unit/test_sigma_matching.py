"""What a rule means for a value, one surprise at a time."""

import uuid
from typing import Any

import pytest

from collectors.bus.contract import Malformed
from collectors.codec import dumps
from collectors.logsource import LogSource
from detection.sigma import Engine, lookup, plan
from detection.sigma.ruleset import build
from rules.catalog import Catalog, parse
from rules.documents import Document

ASKED = LogSource("windows", "process_creation", "")
ANYTHING = {"Image": "C:\\Windows\\cmd.exe", "n": 1}
SLOW_REGEX = "(a+)+$"


@pytest.fixture(params=[0, 6], ids=["scanned", "asked one by one"], autouse=True)
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "FEW", request.param)
    monkeypatch.setattr("detection.sigma.ruleset.cache_folder", lambda: None)


def engine_of(*detections: dict[str, Any], memory: int = 1 << 26, **asked: str) -> Engine:
    rules, faults = [], list[Any]()
    for number, detection in enumerate(detections):
        document = {
            "title": str(number),
            "id": str(uuid.UUID(int=number)),
            "logsource": asked or {"product": "windows", "category": "process_creation"},
            "detection": {"condition": "sel", **detection},
        }
        rules.append(parse(Document("rule.yml", 1, document, {}), faults))
    engine = build(Catalog([rule for rule in rules if rule], faults), "test", memory=memory)
    assert not engine.faults
    return engine


def matches(selection: Any, event: dict[str, Any]) -> bool:
    return bool(engine_of({"sel": selection}).match(event, [ASKED]))


@pytest.mark.parametrize(
    ("selection", "value", "expected"),
    [
        ({"f": "ABC"}, "abc", True),
        ({"f": "abc"}, "xabc", False),
        ({"f|cased": "ABC"}, "abc", False),
        ({"f": "s"}, "\u017f", False),  # str.lower() leaves the long s alone
        ({"f": "\u212a"}, "k", True),  # and makes the Kelvin sign a k
        ({"f": "i\u0307"}, "\u0130", True),
        ({"f": "ab?"}, "ab\u00e9", True),
        ({"f": "a?b"}, "a\u20acb", True),
        ({"f": "a?b"}, "a\ud800b", True),
        ({"f": "a??b"}, "a\u00e9b", False),
        ({"f": "?"}, "", False),
        ({"f": "*"}, "", True),
        ({"f": "a*a"}, "a", False),
        ({"f": "a*b*c"}, "a-c-b-c", True),
        ({"f": r"a\*"}, "a*", True),
        ({"f": r"a\*"}, "ab", False),
        ({"f": "a\\\\*"}, "a\\b", True),
        ({"f|endswith": "b"}, "b\n", False),
        ({"f|contains": "\ud800"}, "x\ud800y", True),
        ({"f|contains": ""}, "", True),
        ({"f": ""}, "", True),
        ({"f": ""}, None, False),
        ({"f": None}, "", False),
        ({"f": None}, None, True),
        ({"f": None}, [], True),
        ({"f": None}, [None, "a"], False),
        ({"f|exists": True}, {}, True),
        ({"f|exists": True}, None, False),
        ({"f": 1}, 1, True),
        ({"f": 1}, "1", True),
        ({"f": 1}, 1.0, True),
        ({"f": 1}, "01", False),
        ({"f": 1}, True, False),
        ({"f": True}, True, True),
        ({"f": True}, 1, False),
        ({"f": "true"}, True, True),
        ({"f|gt": 9}, "10", True),
        ({"f|gt": 9}, "ten", False),
        ({"f|gt": 9}, "1e1", True),
        ({"f|lte": 1.5}, 1.5, True),
        ({"f|gt": 0}, True, False),
        ({"f|neq": "a"}, ["a", "b"], False),
        ({"f|contains|all": ["a", "b"]}, ["xa", "xb"], True),
        ({"f": ["x", "b"]}, [["a"], [["B"]]], True),
        ({"f|cidr": "10.0.0.0/8"}, "10.9.8.7", True),
        ({"f|cidr": "10.0.0.0/8"}, "::ffff:10.9.8.7", True),
        ({"f|cidr": "10.0.0.0/8"}, "10.9.8.700", False),
        ({"f|cidr": "2001:db8::/32"}, "2001:0db8:0::1", True),
        ({"f|hour": 13}, "2026-11-24T14:47:03+01:00", True),
        ({"f|year": 2026}, 1795528023, True),
        ({"f|year": 2026}, 1795528023000, True),
        ({"f|year": 2026}, "1795528023000000", True),
        ({"f|year": 2026}, "soon", False),
        ({"f|re": "a"}, "A", False),
        ({"f|re|i": "a"}, "A", True),
        ({"f|re": "^b$"}, "b\n", False),
        ({"f|re": "^b$"}, "a\nb", False),
        ({"f|re|m": "^b$"}, "a\nb", True),
        ({"f|re": "a.b"}, "a\nb", False),
        ({"f|re|s": "a.b"}, "a\nb", True),
        ({"f|re": "^.$"}, "\u00e9", True),
        ({"f|re": "^.$"}, "\ud800", True),
        ({"f|re": r"\s"}, "\v", False),
        ({"f|re": r"a\Sb"}, "a\vb", True),
        ({"f|re": ""}, "", True),
        ({"f|re": r"\d{3}"}, 4688, True),
        ({"f|windash|contains": " -enc"}, "x /enc y", True),
        ({"f|windash|contains": " -enc"}, "x \u2013enc y", True),
        ({"f|base64offset|contains": "whoami"}, "ZWNobyB3aG9hbWk=", True),
        ({"f|utf16le|base64offset|contains": "whoami"}, "dwBoAG8AYQBtAGkA", True),
        ({"f|wide|contains": "ab"}, "xa\0b\0", True),
    ],
)  # fmt: skip
def test_a_value_is_matched_as_documented(selection: Any, value: Any, expected: bool) -> None:
    assert matches(selection, {"f": value}) is expected


@pytest.mark.parametrize(
    ("field", "event", "expected"),
    [
        ("a.b", {"a": {"b": "x"}}, True),
        ("a.b", {"a.b": "x"}, True),
        ("a.b.c", {"a.b": {"c": "x"}}, True),
        ("a.b.c", {"a": {"b.c": "x"}}, True),
        ("a.b", {"a": [{"b": "y"}, {"b": ["z", "x"]}]}, True),
        ("a.b", {"a": "x"}, False),
        ("a", {"a": {"b": "x"}}, False),
        ("id.orig_h", {"id.orig_h": "X"}, True),
    ],
)
def test_a_dotted_name_is_a_key_or_a_path(
    field: str, event: dict[str, Any], expected: bool
) -> None:
    assert matches({field: "x"}, event) is expected


@pytest.mark.parametrize(
    ("keywords", "event", "expected"),
    [
        (["WHOAMI"], {"a": "run whoami now"}, True),
        (["one two"], {"a": "one", "b": "two"}, False),
        (["a*b"], {"a": "a", "b": "b"}, False),
        (["a*b"], {"x": {"y": ["--A-B--"]}}, True),
        ({"|all": ["one", "two"]}, {"a": "one", "b": ["two"]}, True),
        (["a"], {"a": 1}, False),
        ([4688], {"a": 4688}, True),
        (["rue"], {"a": True}, True),
        (["\x1f"], {"a": "x", "b": "y"}, False),
        (["windows"], {"logsource": {"product": "windows"}}, False),
        (["windows"], {"logsource": "windows"}, True),
        ({"|re": "^b"}, {"a": "a", "b": "b"}, True),
    ],
)
def test_keywords_are_looked_for_in_each_value(
    keywords: Any, event: dict[str, Any], expected: bool
) -> None:
    assert matches(keywords, event) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("by a KIWI Legit printer", True),
        ("gentilkiwi.com", True),
        ("a kiwi", False),  # the part that both have
        ("none of it", False),
    ],
)
def test_keywords_with_a_part_in_common_are_looked_for_in_full(text: str, expected: bool) -> None:
    engine = engine_of({"sel": ["kiwi legit printer", "gentilkiwi.com"]})
    line = dumps({"f": text, "soc": {"logsources": [str(ASKED)]}})

    found = engine.match_lines([line, line])  # read whole, and by a view

    assert [position for position, _ in found] == ([0, 1] if expected else [])


def test_answers_remembered_for_one_kind_of_value_serve_no_other() -> None:
    engine = engine_of(
        {"sel": {"f": 1}}, {"sel": {"f": True}}, {"sel": {"f": 0}}, {"sel": {"f": False}}
    )

    found = [
        [rule.title for rule in engine.match({"f": value}, [ASKED])]
        for value in (1, True, 0, False, 1.0, 0.0, [1], [True], 1, True)
    ]

    assert found == [["0"], ["1"], ["2"], ["3"], ["0"], ["2"], ["0"], ["1"], ["0"], ["1"]]


def test_the_envelope_is_never_matched() -> None:
    engine = engine_of({"sel": ["canary"]}, {"sel": {"soc.tenant": "canary"}})
    line = dumps({"a": "b", "soc": {"logsources": [str(ASKED)], "tenant": "canary"}})

    assert engine.match_lines([line]) == []


def test_the_lines_of_a_record_are_told_apart_by_position() -> None:
    engine = engine_of({"sel": {"a": 1}})
    soc = {"logsources": ["linux//sshd", str(ASKED)]}
    lines = [dumps({"a": number % 2, "soc": soc}) for number in range(4)]

    assert [position for position, _ in engine.match_lines(lines)] == [1, 3]


@pytest.mark.parametrize("wide", [0, plan.WIDE], ids=["all fields decoded", "a few"])
def test_an_envelope_counts_at_the_top_of_a_line_alone(
    wide: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "WIDE", wide)
    engine = engine_of({"sel": {"a": 1}})
    soc = b'{"logsources":["%b"]}' % str(ASKED).encode()
    good = b'{"a":1,"soc":%b}' % soc

    assert len(engine.match_lines([good, good, b'{"a":0,"soc":%b,"a":1}' % soc])) == 3
    for line in (b'{"ab":%b}', b'{"a":1,"b":{"c":1,"soc":%b}}', b'{"a":1,"soc":1,"b":%b}'):
        with pytest.raises(Malformed, match="line 1 of the record"):
            engine.match_lines([good, line % soc])


@pytest.mark.parametrize("line", [b"{", b"[]", b"1", b'{"a":1}', b'{"soc":{"logsources":["x"]}}'])
def test_a_line_that_is_no_event_is_malformed(line: bytes) -> None:
    engine = engine_of({"sel": {"a": 1}})

    with pytest.raises(Malformed, match="line 1 of the record"):
        engine.match_lines([dumps({"soc": {"logsources": []}}), line])


@pytest.mark.parametrize(
    ("asked", "event", "expected"),
    [
        ({"product": "windows"}, "windows/process_creation/sysmon", True),
        ({"category": "process_creation"}, "linux/process_creation/auditd", True),
        ({"product": "windows", "service": "security"}, "windows/process_creation/sysmon", False),
        ({"product": "Windows"}, "WINDOWS//system", True),
    ],
)
def test_a_rule_looks_at_the_log_sources_that_it_asks_for(
    asked: dict[str, str], event: str, expected: bool
) -> None:
    engine = engine_of({"sel": {"a": 1}}, **asked)

    assert bool(engine.match({"a": 1}, [LogSource.parse(event)])) is expected


def test_memory_is_bounded_and_its_loss_changes_no_match() -> None:
    detections = [{"sel": {"f|endswith": str(number)}} for number in range(10)]
    engine = engine_of(*detections, memory=20_000)

    found = [
        [rule.title for rule in engine.match({"f": f"value {number}"}, [ASKED])]
        for number in range(2_000)
    ]

    assert found == [[str(number % 10)] for number in range(2_000)]
    assert engine.forgotten > 3


def test_combinations_of_log_sources_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detection.sigma.engine.MAX_PLANS", 3)
    engine = engine_of({"sel": {"a": 1}}, category="c")
    compiled = engine._sources[LogSource("", "c")]
    engine._sources = {LogSource("", f"c{number}"): compiled for number in range(9)}
    names = [f"/c{number}/" for number in (*range(9), *range(9))]
    lines = [dumps({"a": 1, "soc": {"logsources": [name]}}) for name in names]

    found = [engine.match_lines([line, line]) for line in lines]

    assert [len(each) for each in found] == [2] * 18
    assert len(engine._plans) <= 3


def test_a_regular_expression_cannot_be_made_slow_by_a_value() -> None:
    engine = engine_of({"sel": {"f|re": SLOW_REGEX}}, {"sel": {"f": "a*a*a*a*a*a*a*b"}})

    assert not engine.match({"f": "a" * 100_000 + "c"}, [ASKED])


def test_a_number_too_long_for_decimals_is_matched_by_its_hexadecimal_digits() -> None:
    assert matches({"f|startswith": "0x1"}, {"f": 16**5_000})


def test_a_value_of_any_size_is_searched_to_its_end() -> None:
    engine = engine_of({"sel": {"f|contains": "needle"}}, {"sel": ["needle"]})

    assert len(engine.match({"f": "hay" * 400_000 + "NEEDLE"}, [ASKED])) == 2
