"""Which fields of an alert's events are told to have made its rule match."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from detection import reasoning
from detection.reason import Known, Reasons
from detection.reasoning import Reasoner
from detection.rule_sets import Files
from tenants.console.events import view
from tenants.console.words import NONE_MARKED, SOME_MARKED, moment

IDENTITY = "00000000-0000-4000-8000-000000000001"
RULE = f"""\
title: x
id: {IDENTITY}
level: high
logsource: {{product: windows, category: process_creation}}
detection:
    selection:
        Image|endswith: '\\cmd.exe'
        a.b: 1
    words: [sesame]
    filter: {{User: root}}
    condition: (selection or words) and not filter
"""
SOC = {"logsources": ["windows/process_creation/sysmon"], "time": "2026-11-24T13:47:03Z"}
NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)


def event(**fields: Any) -> dict[str, Any]:
    return {**fields, "soc": SOC}


def reasons(known: Known, *fields: set[str]) -> Reasons:
    return Reasons(known, [frozenset(each) for each in fields])


def nowhere(_version: str) -> Files:
    """Nothing was imported."""
    return Files((), ())


HIT = event(Image="C:\\CMD.exe", a={"b": 1, "c": 1}, User="kim")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "rule.yml"
    path.write_text(RULE)
    return path


@pytest.fixture
def reasoner(path: Path) -> Reasoner:
    made = Reasoner(nowhere)
    made.learn({IDENTITY: str(path)}, {"counting"})
    return made


@pytest.mark.parametrize(
    ("fields", "marked"),
    [
        (HIT, {"Image", "a.b"}),
        (event(Other=["no", "Open Sesame"], x={"y": "q"}), {"Other"}),
        (event(x={"y": "sesame!"}, User="kim"), {"x.y"}),
        (event(Image="cmd.exe \\cmd.exe", a=[{"b": 2}, {"b": "1"}]), {"Image", "a"}),
    ],
)
def test_fields_that_made_it_match_are_named_as_in_the_event(
    fields: Mapping[str, Any], marked: set[str], reasoner: Reasoner
) -> None:
    told = reasoner(IDENTITY, "", [fields])

    assert told == reasons(Known.ALL, marked)


def test_a_rule_that_does_not_match_any_more_marks_only_what_it_matches(
    reasoner: Reasoner,
) -> None:
    told = reasoner(IDENTITY, "", [HIT, event(Image="sesame", User="root"), {"Image": "sesame"}])

    assert told == reasons(Known.CHANGED, {"Image", "a.b"}, set(), set())


def test_what_is_not_there_is_told_apart(reasoner: Reasoner, path: Path) -> None:
    path.write_text("title: [")

    assert Reasoner(nowhere)(IDENTITY, "", [HIT]).known is Known.STARTING
    assert reasoner("counting", "", [HIT]).known is Known.COUNTED
    assert reasoner("unheard of", "", [HIT]) == reasons(Known.GONE, set())
    assert reasoner(IDENTITY, "", [HIT]).known is Known.GONE


def test_a_rule_is_read_once(reasoner: Reasoner, path: Path) -> None:
    first = reasoner(IDENTITY, "", [HIT])
    path.unlink()

    assert reasoner(IDENTITY, "", [HIT]) == first


def test_only_so_much_is_looked_through_for_one_alert(
    reasoner: Reasoner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reasoning, "MAX_WORK", 1000)

    told = reasoner(IDENTITY, "", [HIT, event(Image="sesame" * 100), HIT])

    assert told == reasons(Known.LARGE, {"Image", "a.b"}, set(), {"Image", "a.b"})


@pytest.mark.parametrize("soc", [None, [], {"logsources": "x"}, {"logsources": [1, "a/b"]}])
def test_an_envelope_that_says_no_log_source_makes_no_match(soc: Any, reasoner: Reasoner) -> None:
    assert reasoner(IDENTITY, "", [{**HIT, "soc": soc}]).known is Known.CHANGED


def test_marked_fields_come_first_and_are_shown_however_many_there_are() -> None:
    fields = {f"f{number:02}": number for number in range(30)}

    made = view(
        event(EventID=1, **fields), lambda text: moment(text, NOW), opened=True, marked={"f29"}
    )

    assert made.facts[:2] == [("f29", "29"), ("EventID", "1")]


@pytest.mark.parametrize("known", Known)
def test_there_is_a_sentence_for_whatever_is_known(known: Known) -> None:
    assert NONE_MARKED[known].startswith("Nothing is marked")
    assert known in SOME_MARKED


def test_the_rule_is_taken_from_the_set_that_the_alert_names(
    reasoner: Reasoner, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "others.yml").write_text("title: [\n# " + IDENTITY)
    (old / "renamed.yml").write_text(RULE.replace("cmd.exe", "calc.exe"))
    both = Reasoner(lambda named: Files([old], (), named) if named else Files((), ()))
    both.learn({IDENTITY: str(tmp_path / "rule.yml")})
    calc = event(Image="C:\\calc.exe", a={"b": 1}, User="kim")

    assert both(IDENTITY, "older", [calc]) == reasons(Known.ALL, {"Image", "a.b"})
    assert both(IDENTITY, "", [calc]) == reasons(Known.CHANGED, set())
    assert both(IDENTITY, "", [HIT]) == reasons(Known.ALL, {"Image", "a.b"})
    assert both("unheard of", "older", [calc]).known is Known.GONE


def test_fields_of_another_schema_are_named_as_the_event_names_them(reasoner: Reasoner) -> None:
    told = {
        "process": {"executable": "C:\\cmd.exe", "name": "cmd.exe"},
        "a": {"b": 1},
        "winlog": {"event_data": {"Image": "x\\cmd.exe"}},
        "soc": {**SOC, "schema": "ecs"},
    }

    found = reasoner(IDENTITY, "", [told, {**told, "soc": SOC}])

    marked = {"process.executable", "winlog.event_data.Image", "a.b"}
    assert found == reasons(Known.CHANGED, marked, set())
