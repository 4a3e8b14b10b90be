"""Stories beside a correlation: what they may be, and what they notice."""

import io
from pathlib import Path

import pytest
import yaml

from detection.cases import report, run_cases
from rules.stories import read_stories

RULE = """\
title: Logon failed
id: 00000000-0000-4000-8000-000000000001
level: low
logsource: {product: linux, service: sshd}
detection:
    selection:
        action: fail
    condition: selection
"""
CORRELATION = """\
title: Many failures
id: 00000000-0000-4000-8000-000000000002
level: high
correlation:
    type: value_count
    rules: [00000000-0000-4000-8000-000000000001]
    group-by: [ip]
    timespan: 10m
    condition: {field: user, gte: 3}
"""
STORIES = {
    "match": [{"events": [{"times": 3, "every": "4m", "event": {"user": "u{n}", "ip": "1"}}]}],
    "no_match": [
        {"why": "one user", "events": [{"times": 3, "event": {"user": "u", "ip": "1"}}]},
        {
            "why": "slow",
            "events": [{"times": 3, "every": 400, "event": {"user": "{n}", "ip": "1"}}],
        },
        {"why": "far apart", "events": [{"times": 3, "event": {"user": "u{n}", "ip": "{n}"}}]},
    ],
}


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CITYSOC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "failed.yml").write_text(RULE)
    path = tmp_path / "many.yml"
    path.write_text(CORRELATION)
    tell(path, STORIES)
    return path


def tell(path: Path, stories: object) -> None:
    failing = str(stories).replace("'event': {", "'event': {'action': 'fail', ")
    path.with_name("many.cases.yml").write_text(yaml.safe_dump(yaml.safe_load(failing)))


def test_a_correlation_whose_stories_notice_everything_is_sound(many: Path) -> None:
    [result] = run_cases([many], among=[many.parent / "base"])

    assert result.sound
    assert result.cases == 4


@pytest.mark.parametrize(
    ("left_out", "survivor"),
    [
        ("one user", "that values must differ"),
        ("slow", "gte: 2 would do too"),
        ("slow", "timespan: 1200 s would do too"),
        ("far apart", "group-by: ip"),
    ],
)
def test_what_no_story_needs_is_named(left_out: str, survivor: str, many: Path) -> None:
    kept = [each for each in STORIES["no_match"] if each["why"] != left_out]
    tell(many, {**STORIES, "no_match": kept})
    out = io.StringIO()

    code = report([many], among=[many.parent / "base"], out=out, err=io.StringIO())

    assert code == 1
    assert f"{many}:1: no case would miss {survivor}\n" in out.getvalue()


def test_a_story_that_ends_otherwise_is_a_failure(many: Path) -> None:
    tell(many, {**STORIES, "no_match": [*STORIES["no_match"], *STORIES["match"]]})

    [result] = run_cases([many], among=[many.parent / "base"])

    assert (result.failures, result.survivors) == (["no_match[3]"], [])


@pytest.mark.parametrize(
    ("stories", "message"),
    [
        ({"match": STORIES["match"]}, "`no_match:` should be a list of at least one story"),
        ({**STORIES, "maybe": []}, "unknown key 'maybe'"),
        ({**STORIES, "match": [{"event": {"a": 1}}]}, "expected a story"),
        ({**STORIES, "match": [{"events": []}]}, "at least one step"),
        ({**STORIES, "match": [{"events": [{"event": {}}]}]}, "should be a map of fields"),
        ({**STORIES, "match": [{"events": [{"at": "soon"}]}]}, "such as 90s, 15m or 3h"),
        ({**STORIES, "match": [{"events": [{"when": 1, "event": {"a": 1}}]}]}, "'when': 1"),
        ({**STORIES, "match": [{"events": [{"times": 0, "event": {"a": 1}}]}]}, "from 1 to 10000"),
    ],
)
def test_what_is_no_story_is_said(stories: object, message: str, many: Path) -> None:
    many.with_name("many.cases.yml").write_text(yaml.safe_dump(stories))

    _, faults = read_stories(many)

    assert [message in fault.message for fault in faults] == [True]


def test_missing_stories_are_a_fault(many: Path) -> None:
    many.with_name("many.cases.yml").unlink()

    [result] = run_cases([many], among=[many.parent / "base"])

    assert "no cases" in result.faults[0].message
