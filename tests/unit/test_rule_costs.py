"""What `citysoc rules cost` measures, and that measuring changes no match."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from detection.costing import cost
from detection.costs import KEYWORDS, Meter
from detection.records import events
from detection.sigma import load
from rules.catalog import read
from tests.conftest import ROOT

RULES = """\
title: Dear
id: 00000000-0000-4000-8000-000000000001
level: low
logsource: {product: linux}
detection:
    selection:
        line|re: '(a|b|ab)*c[^d]{20,40}(x|y|xy)*z$'
    condition: selection
---
title: Cheap
id: 00000000-0000-4000-8000-000000000002
level: low
logsource: {product: linux}
detection:
    selection: {user: root}
    condition: selection
---
title: Looked at and never true
id: 00000000-0000-4000-8000-000000000003
level: low
logsource: {product: linux}
detection:
    selection: {user: root, shell: fish}
    words: [sesame]
    condition: selection or words
"""
HINT = {"product": "linux"}


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CITYSOC_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "rules.yml"
    path.write_text(RULES)
    return path


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    path = tmp_path / "events.ndjson"
    lines = [
        {"logsource": HINT, "user": "root", "line": f"ab{number % 10} {'c' * 400}"}
        for number in range(100)
    ]
    path.write_text(
        "\n".join(map(json.dumps, [*lines, {"logsource": HINT, "user": "jane", "shell": "fish"}]))
    )
    return path


def measured(rules: Path, *paths: Path, **options: Any) -> tuple[int, list[dict[str, Any]], str]:
    out, err = io.BytesIO(), io.StringIO()
    options = {"limit": 5, "as_json": True, **options}
    code = cost([str(rules)], [str(path) for path in paths], out=out, err=err, **options)
    return code, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue()


def test_rules_and_fields_are_counted_and_timed(rules: Path, stream: Path) -> None:
    _, said, _ = measured(rules, stream)

    total = said[0]
    fields = {each["field"]: each for each in said if each["kind"] == "field"}
    named = {each["title"]: each for each in said if each["kind"] == "rule"}
    assert (total["events"], total["rules"], total["rules_never_matched"]) == (101, 3, 2)
    assert fields["line"]["lookups"] == 101
    assert fields["line"]["new_values"] == 10
    assert fields["user"]["new_values"] == 2
    assert fields[KEYWORDS]["lookups"] == 101
    assert named["Cheap"]["matches"] == 100
    assert named["Looked at and never true"]["matches"] == 0
    assert named["Looked at and never true"]["looked_at"] > 0
    assert named["Dear"]["looked_at"] == 0
    assert named["Dear"]["alone_us"] > named["Cheap"]["alone_us"] > 0
    assert 0 < total["fields_seconds"] < total["seconds"]


def test_the_dearest_come_first(rules: Path, stream: Path) -> None:
    _, said, _ = measured(rules, stream)

    for kind in ("field", "rule"):
        seconds = [each["seconds"] for each in said if each["kind"] == kind]
        assert seconds == sorted(seconds, reverse=True)


def test_people_get_tables_that_say_what_never_matched(rules: Path, stream: Path) -> None:
    out = io.BytesIO()

    code = cost([str(rules)], [str(stream)], limit=1, out=out, err=io.StringIO())

    text = out.getvalue().decode()
    assert code == 0
    assert "101 events in " in text
    assert "… and 2 more; --limit shows them" in text
    assert "2 of 3 rules never matched, 1 never had to be looked at" in text


@pytest.mark.parametrize("wrong", [{"schema": "telepathy"}, {"lists": "/none"}])
def test_a_wrong_call_is_told(rules: Path, stream: Path, wrong: dict[str, str]) -> None:
    code, _, errors = measured(rules, stream, **wrong)

    assert code == 2
    assert errors.startswith("citysoc rules cost: ")


def test_measuring_changes_no_match(corpora: Path) -> None:
    library = ROOT / "rules" / "library"
    engine, meter = load([library]), Meter(load([library]))
    meter.ask_alone(read([library]).rules, {})
    found = 0

    for name in ("aws-cloudtrail.ndjson.gz", "suricata-eve.ndjson.gz"):
        for event in events(str(corpora / "streams" / name)):
            assert event.fields is not None
            expected = [rule.id for rule in engine.match(event.fields, event.logsources)]
            numbers = meter.match(event.fields, event.logsources)
            assert [meter.rules[number].rule for number in numbers] == expected
            found += len(expected)

    assert found > 3
    assert sum(each.matches for each in meter.rules) == found
