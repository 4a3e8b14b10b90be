"""Which rules can match at all, judged by the fields that were seen."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from collectors.logsource import LogSource
from detection.coverage import EVERYTHING, Finding, State, judge, names_of, needs_of
from detection.covering import cover
from detection.records import events
from detection.sigma import load
from rules.catalog import read
from tests.conftest import ROOT

LINUX, SSHD = LogSource("linux"), LogSource("linux", "", "sshd")
RULE = """\
title: x
id: 00000000-0000-4000-8000-000000000001
level: low
logsource: {product: linux}
detection:
    one: {a: 1, b.c: 2}
    other: {d|contains: x}
    none: {e: null}
    filter: {f: 1}
    words: [sesame]
    pair: {g|fieldref: h}
    condition: CONDITION
"""


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    return tmp_path / "rule.yml"


def judged(rule: Path, condition: str, *names: str, source: LogSource = SSHD) -> Finding:
    rule.write_text(RULE.replace("CONDITION", condition))
    (needs,) = needs_of(read([rule]).rules)
    return judge(needs, {source: set(names)})


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("one", {"a", "b.c"}),
        ("one or other", {"d"}),
        ("one and not filter", {"a", "b.c"}),
        ("not one", set()),
        ("none", set()),
        ("none", {"e"}),
        ("not none", {"e"}),
        ("words", set()),
        ("pair", {"g", "h"}),
        ("1 of them", set()),
        ("one", {EVERYTHING}),
    ],
)
def test_a_rule_that_can_match_is_fine(rule: Path, condition: str, names: set[str]) -> None:
    assert judged(rule, condition, *names).state is State.FINE


@pytest.mark.parametrize(
    ("condition", "names", "missing"),
    [
        ("one", {"a"}, ("b.c",)),
        ("one", {"a", "b"}, ("b.c",)),
        ("one and other", {"a", "b.c"}, ("d",)),
        ("one or other", {"a"}, ("b.c", "d")),
        ("not none", {"a"}, ("e",)),
        ("filter and not none", {"f"}, ("e",)),
        ("pair", {"g"}, ("h",)),
    ],
)
def test_a_rule_whose_needed_fields_were_never_seen_is_told(
    rule: Path, condition: str, names: set[str], missing: tuple[str, ...]
) -> None:
    found = judged(rule, condition, *names)

    assert found.state is State.NO_FIELDS
    assert set(found.missing) == set(missing)


def test_fields_of_different_log_sources_do_not_add_up(rule: Path) -> None:
    rule.write_text(RULE.replace("CONDITION", "one"))
    (needs,) = needs_of(read([rule]).rules)

    found = judge(needs, {SSHD: {"a"}, LogSource("linux", "", "sudo"): {"b.c"}})

    assert found.state is State.NO_FIELDS


def test_a_log_source_that_was_never_seen_is_told(rule: Path) -> None:
    assert judged(rule, "one", "a", source=LogSource("windows")).state is State.NO_SOURCE


def test_names_are_those_by_which_rules_find_something() -> None:
    fields = {"a": [{"b": 1}, {"c": {"d": None, "e": 2}}], "f.g": 3, "h": None}

    assert names_of(fields) == {"a", "a.b", "a.c", "a.c.e", "f.g"}


def test_a_rule_that_matched_is_never_said_to_be_unable(corpora: Path) -> None:
    library = ROOT / "rules" / "library"
    engine = load([library])
    needs = {each.rule: each for each in needs_of(read([library]).rules)}
    matched = 0

    for path in sorted((corpora / "evtx").rglob("*.evtx"))[:60]:
        for event in events(str(path)):
            if event.fields is None:
                continue
            names = names_of(event.fields)
            for rule in engine.match(event.fields, event.logsources):
                found = judge(needs[rule.id], dict.fromkeys(event.logsources, names))
                assert found.state is State.FINE, (rule.title, names)
                matched += 1

    assert matched > 10


def test_files_are_judged_offline(rule: Path, tmp_path: Path) -> None:
    rule.write_text(RULE.replace("CONDITION", "one"))
    path = tmp_path / "events.ndjson"
    hint: dict[str, Any] = {"logsource": {"product": "linux", "service": "sshd"}}
    path.write_text("\n".join(map(json.dumps, [{**hint, "a": 1}, {**hint, "b": {"c": 2}}])))
    out, err, as_json = io.BytesIO(), io.StringIO(), io.BytesIO()

    code = cover([str(rule)], [str(path)], every=True, out=out, err=err)
    cover([str(rule)], [str(path)], as_json=True, out=as_json, err=err)

    assert code == 0
    assert out.getvalue().decode().splitlines()[-1] == (
        "1 rules: 0 needed fields never seen, 0 log source never seen, 1 fine"
    )
    assert json.loads(as_json.getvalue())["state"] == "fine"
    assert cover(["/none"], [str(path)], out=out, err=err) == 2
