"""The filter language, by example: what is read, what it means, what is refused and how."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tenants.store import filter as filter_module
from tenants.store.filter import Filter, FilterError
from tenants.store.matching import matches
from tenants.store.predicate import compiled
from tenants.store.terms import SHORTCUTS, Compare, Equal, Exists, Like, Words
from tenants.store.wildcard import expression, matcher, split

NOW = datetime(2026, 11, 24, 13, 47, tzinfo=UTC)
HELP = (Path(filter_module.__file__).parent / "filter_help.md").read_text("utf-8")
HELP_EXAMPLES = re.findall(r"^\| `(.+?)` \|", HELP, re.MULTILINE)
EVENT: dict[str, Any] = {
    "EventID": 4624,
    "Image": "C:\\Windows\\System32\\whoami.exe",
    "CommandLine": 'net user "eve" /add now',
    "QueryName": "WS-012.example",
    "sc-status": "503",
    "userIdentity": {"userName": "admin", "groups": ["a", "B", {"name": "deep"}]},
    "cs(User-Agent)": "curl/8.1",
    "user": "root",
    "dotted.name": "yes",
    "nothing": None,
    "empty": "",
    "flag": True,
    "ratio": 0.5,
    "soc": {
        "id": "0123456789abcdef0123456789abcdef",
        "source": "edge-firewall",
        "time": "2026-11-24T13:00:00.000000Z",
        "received": "2026-11-24T13:00:01.000000Z",
        "logsources": ["windows/process_creation/sysmon"],
        "related": {"user": ["asmith"], "host": ["ws-0147"], "ip": ["192.0.2.7"]},
        "marks": ["unproven"],
        "original": "Failed password for eve from 192.0.2.7",
    },
}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "EventID:4624",
        "eventid:4624 or EventID:4624",
        r"Image:*\\whoami.exe",
        r"Image:*\whoami.exe",
        r"image:x or Image:C:\Windows\*\\WHOAMI.EXE or Image:c:\\windows\\*",
        'CommandLine:"* /add *"',
        r'CommandLine:"net user \"eve\" /add now"',
        "QueryName:ws-0??.EXAMPLE",
        "user in (bjones, asmith)",
        "user!=svc-backup",
        "not user:root",
        '"user":root',
        "sc-status >= 500 sc-status<504 sc-status:>502 sc-status <= 503.0",
        "sc-status:503",
        "ratio > 0.4",
        "userIdentity.userName:admin",
        "userIdentity.groups:b userIdentity.groups:A",
        "userIdentity.groups.name:deep",
        "dotted.name:yes",
        '"cs(User-Agent)":curl*',
        "not nothing:*",
        'empty:* empty:""',
        "flag:true",
        "host:WS-0147 ip:192.0.2.7 source:edge-firewall mark:unproven",
        "logsource:windows/process_creation/*",
        "id:0123456789abcdef0123456789abcdef",
        "soc.related.user:asmith",
        "whoami",
        "WHO*",
        "*who*mi",
        "failed and password",
        '"failed password for"',
        '"failed pass*"',
        "192.0.2.7",
        "192.0.*",
        "system32\\whoami",
        "(whoami or nothing) and not mimikatz",
        "not not whoami",
        "whoami since:2026-11-24T13:00 until:2026-11-24T13:00:00.000001Z",
        "since:24h",
        "since:2026-11-24T14:00+01:00",
        "until:7m whoami",
        "whoami AND NOT mimikatz OR nothing",
    ],
)
def test_what_lets_the_event_through(text: str) -> None:
    query = Filter.parse(text, now=NOW)

    assert matches(query, EVENT)
    assert Filter.parse(str(query)) == query


@pytest.mark.parametrize(
    "text",
    [
        "EventID:462",
        "EventID:4624.0",
        "eventid:4624",
        r"Image:whoami.exe",
        r"Image:*\*",
        "QueryName:ws-0?.example",
        "user in (bjones, root)",
        "user:root",
        "sc-status > 503",
        "Image > 1",
        "userIdentity:*",
        "userIdentity.groups.a:*",
        "nothing:*",
        'nothing:""',
        "flag:1",
        "flag >= 0",
        "0123456789abcdef0123456789abcdef",
        "edge",
        '"password failed"',
        "asswor*",
        "whoami and mimikatz",
        "not (whoami or mimikatz)",
        "whoami until:2026-11-24T13:00",
        "since:2026-11-24T13:00:00.000001Z",
        "since:47m until:48m",
    ],
)
def test_what_keeps_the_event_out(text: str) -> None:
    query = Filter.parse(text, now=NOW)

    assert not matches(query, EVENT)
    assert Filter.parse(str(query)) == query


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a and", "at 5: expected a value, found the end"),
        ("not", "at 3: expected a value, found the end"),
        ("or a", "at 0: expected a term"),
        ("(a", "at 2: expected ')', found the end"),
        ("a) b", "at 1: expected the end, and, or, or another term, found ') b'"),
        ("()", "at 1: expected a value, found ')'"),
        ("EventID:", "at 8: expected a value, found the end"),
        ("EventID: 4", "at 8: expected a value, found ' 4'"),
        ("a:b,c", "at 3: expected a value, found ',c'"),
        ("n >= many", "at 5: expected a number after >=, found 'many'"),
        ("n > nan", "expected a number after >"),
        ("n > 1_000", "expected a number after >"),
        ("n > 1e999", "expected a number after >"),
        ("user in ()", "at 9: expected a value, found ')'"),
        ("user in (a b)", "at 11: expected ')', found 'b)'"),
        ('"half', "at 0: expected a closing quote, found '\"half'"),
        ("-root", "what must not be there is `not …`"),
        ("***", "at 0: expected a letter or a digit to look for"),
        ("po*er sh*ll.exe", "at 6: expected wildcards within one word"),
        ('"a*":x', "expected a field's name without wildcards"),
        ("since:yesterday", "at 0: expected a time such as 2026-11-24"),
        ("since:2026-02-30", "at 0: expected a time such as"),
        ("since:99999999d", "at 0: expected a time such as"),
        ("a or since:24h", "since: and until: hold for the whole filter"),
        ("not until:24h", "at 4: until: cannot stand in or, not or brackets"),
        ("a (b since:24h)", "at 5: since: cannot stand in or, not or brackets"),
        ("(" * 40 + "a" + ")" * 40, "more than 30 levels"),
        ("not " * 40 + "a", "more than 30 levels"),
        ("a " * 501, "at most 500 terms"),
        (f"n in ({','.join('a' * 501)})", "at most 500 terms"),
        ("a" * 10_001, "at most 10,000 characters, this one 10,001"),
    ],
)
def test_a_refusal_says_where_and_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(FilterError) as refused:
        Filter.parse(text, now=NOW)

    assert message in str(refused.value)


def test_relative_times_need_a_now() -> None:
    with pytest.raises(FilterError, match="expected a time"):
        Filter.parse("since:24h")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("EventID=4624", "EventID:4624"),
        ("EventID!=4624", "not EventID:4624"),
        ("a  AND (b   c)", "a and b and c"),
        ("a (b or c)", "a and (b or c)"),
        ("user in (a, b)", "user:a or user:b"),
        ("soc.related.host:a", "host:a"),
        ('"user":a', '"user":a'),
        ("n:>=07", "n >= 7"),
        (r"Image:c:\x\\*", r"Image:c:\\x\\*"),
        ("https://x.example/a", '"https x example a"'),
        ('"And"', '"and"'),
        ("a:***", "a:*"),
        ("since:2026-11-24 a", "a since:2026-11-24T00:00:00.000000Z"),
        ("a or b", "a or b"),
    ],
)
def test_the_canonical_form(text: str, canonical: str) -> None:
    assert str(Filter.parse(text)) == canonical


def test_an_or_with_a_time_stays_in_brackets() -> None:
    query = Filter.parse("(a or b) since:2026-11-24")

    assert str(query) == "(a or b) since:2026-11-24T00:00:00.000000Z"
    assert Filter.parse(str(query)) == query


def test_times_given_apart_narrow_those_in_the_text() -> None:
    query = Filter.parse(
        "since:2026-11-20 until:2026-11-24", since="2026-11-22", until="2026-11-23T12:00"
    )
    wider = Filter.parse("since:2026-11-20", since="2026-11-01", until="")

    assert (query.since, query.until) == (
        "2026-11-22T00:00:00.000000Z",
        "2026-11-23T12:00:00.000000Z",
    )
    assert (wider.since, wider.until) == ("2026-11-20T00:00:00.000000Z", None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:b", Equal("a", "b")),
        ("a:b*", Like("a", "b*")),
        (r"a:b\*", Equal("a", "b*")),
        ("a:*", Exists("a")),
        ("a < -1.5", Compare("a", "<", -1.5)),
        ("Word", Words(("word",))),
        ("host:x", Equal("soc.related.host", "x")),
        ('"host":x', Equal("host", "x")),
    ],
)
def test_each_term_is_read_as_its_own_kind(text: str, expected: object) -> None:
    assert Filter.parse(text).expression == expected


def test_there_are_examples_in_the_help() -> None:
    assert len(HELP_EXAMPLES) >= 25


@pytest.mark.parametrize("text", HELP_EXAMPLES)
def test_each_example_of_the_help_is_a_filter(text: str) -> None:
    query = Filter.parse(text, now=NOW)

    assert Filter.parse(str(query)) == query


def test_the_help_names_every_shortcut() -> None:
    assert [name for name in SHORTCUTS if f"| `{name}:" not in HELP] == []


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("ab*ba", "aba", False),
        ("ab*ba", "abba", True),
        ("a*b*c", "a-b-b-c", True),
        ("*ab*ab", "ab", False),
        ("a?c*", "abcd", True),
        ("?", "", False),
        ("*?*", "x", True),
        ("a*", "a\nb", True),
        (r"\**", "*x", True),
        (r"\**", "x", False),
        (r"a\\*", "a\\b", True),
        ("", "", True),
    ],
)
def test_a_pattern_fits_whole_values(pattern: str, value: str, fits: bool) -> None:
    assert matcher(split(pattern))(value) == fits
    assert bool(expression(split(pattern)).fullmatch(value)) == fits


def test_a_pattern_of_many_stars_takes_no_longer_than_its_text() -> None:
    query = Filter.parse("text:" + "*a" * 100 + "*b").expression
    assert query is not None

    assert not compiled(query)({"text": "a" * 20_000})
