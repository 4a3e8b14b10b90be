"""What `citysoc rules explain` says of a rule and an event."""

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from collectors.logsource import LogSource
from detection.explaining import explain
from detection.sigma.explain import Explainer, Explanation, Reason
from rules.catalog import parse
from rules.documents import Document

ASKED = LogSource("windows", "process_creation", "")
SOURCE = {"product": "windows", "category": "process_creation"}
RULE = """\
title: Shell of a web server
id: 00000000-0000-4000-8000-000000000001
level: high
logsource: {product: windows, category: process_creation}
detection:
    selection:
        ParentImage|endswith: ['\\w3wp.exe', '\\httpd.exe']
        Image|endswith: '\\cmd.exe'
    filter_backup:
        CommandLine|contains|cased: Backup
    condition: selection and not 1 of filter_*
"""
HIT = {"logsource": SOURCE, "ParentImage": "C:\\W3WP.exe", "Image": "C:\\cmd.exe"}


def explained(detection: dict[str, Any], event: dict[str, Any]) -> Explanation:
    content = {"title": "x", "logsource": SOURCE, "detection": {"condition": "sel", **detection}}
    faults: list[Any] = []
    rule = parse(Document("rule.yml", 1, content, {}), faults)
    assert rule is not None, faults
    return Explainer(rule).explain(event, [ASKED])


def way(explanation: Explanation) -> list[str]:
    return [part.says for part in explanation.failing]


def test_the_first_part_that_fails_is_named_as_its_author_wrote_it() -> None:
    selection = {"Image|endswith": "\\cmd.exe", "User|contains|all": ["a", "b"]}

    explanation = explained({"sel": selection}, {"Image": "cmd.exe", "User": "b"})

    assert way(explanation) == ["condition: sel", "sel", "Image|endswith: '\\cmd.exe'"]
    assert explanation.failing[-1].found == ("cmd.exe",)
    assert explanation.missing == 2


def test_of_a_denied_part_the_one_that_held_is_named() -> None:
    detection = {
        "sel": {"a": 1},
        "filter_x": {"b": 2},
        "filter_y": {"c": [3, 4]},
        "condition": "sel and not 1 of filter_*",
    }

    explanation = explained(detection, {"a": 1, "b": 5, "c": 4})

    assert way(explanation)[1:] == ["not 1 of filter_*", "1 of filter_*", "filter_y", "c", "4"]
    assert explanation.missing == 1


def test_where_no_alternative_holds_none_is_blamed() -> None:
    explanation = explained({"sel": {"a": ["x", "y"]}}, {"a": "z"})

    assert way(explanation) == ["condition: sel", "sel", "a"]


def test_values_that_made_it_match_are_the_reasons_and_denied_ones_are_not() -> None:
    detection = {"sel": {"a|startswith": ["x", "y"]}, "no": {"b": 1}, "condition": "sel and not no"}

    explanation = explained(detection, {"a": ["Xa", "q", "yb"], "b": 2})

    assert explanation.matches
    assert explanation.reasons == (Reason("a", ("Xa",)), Reason("a", ("yb",)))


def test_keywords_are_found_anywhere_and_references_name_both_fields() -> None:
    keywords = explained({"sel": ["sesame"]}, {"a": {"b": ["Open Sesame"]}})
    reference = explained({"sel": {"a|fieldref": "b"}}, {"a": "X", "b": "x"})

    assert keywords.reasons == (Reason(None, ("Open Sesame",)),)
    assert reference.reasons == (Reason("a", ("X",)), Reason("b", ("x",)))


def test_a_rule_of_another_log_source_does_not_match_whatever_holds() -> None:
    content = {"title": "x", "logsource": {"product": "linux"}, "detection": {"condition": "s"}}
    content["detection"] = {"condition": "s", "s": {"a": 1}}
    rule = parse(Document("rule.yml", 1, content, {}), [])
    assert rule is not None

    explanation = Explainer(rule).explain({"a": 1}, [ASKED])

    assert explanation.root is not None
    assert explanation.root.held
    assert not explanation.matches


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "shell.yml").write_text(RULE)
    return folder


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "events.ndjson"
    lines = [HIT, {**HIT, "CommandLine": "Backup"}, [1], {"Image": "\u001b[31m\ud800"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def run(rules: Path, place: str, **options: Any) -> Outcome:
    out, err = io.BytesIO(), io.StringIO()
    code = explain([str(rules)], place, out=out, err=err, **{"limit": 10, **options})
    return Outcome(code, out.getvalue().decode(), err.getvalue())


def test_text_names_verdict_values_and_what_failed_first(rules: Path, events: Path) -> None:
    hit = run(rules, str(events))
    miss = run(rules, f"{events}:1")

    assert "✓ Shell of a web server (high): matches" in hit.out
    assert "✓ ParentImage|endswith: holds, 1 of 2 values; the event has 'C:\\W3WP.exe'" in hit.out
    assert "CommandLine|contains|cased: 'Backup': does not hold; the event has no Comm" in hit.out
    assert "failed first: not 1 of filter_* › 1 of filter_* › filter_backup" in miss.out
    assert "'Backup': holds; the event has 'Backup'  ◄ failed first" in miss.out
    assert (hit.code, hit.err) == (0, "1 of 1 rules match\n")


def test_colour_is_added_on_demand_and_an_events_own_is_not_passed_on(
    rules: Path, events: Path
) -> None:
    plain = run(rules, f"{events}:3")
    coloured = run(rules, f"{events}:3", colour=True)

    assert "\x1b" not in plain.out
    assert "'\\u001b[31m" not in plain.out
    assert '"\\u001b[31m\\ud800"' in plain.out
    assert "\x1b[31m✗\x1b[0m" in coloured.out


def test_programs_get_one_object_a_rule_with_the_whole_tree(rules: Path, events: Path) -> None:
    outcome = run(rules, f"{events}:1", as_json=True)

    [value] = map(json.loads, outcome.out.splitlines())
    assert (value["matches"], value["missing"]) == (False, 1)
    assert value["failed_first"][-1] == "CommandLine|contains|cased: 'Backup'"
    assert value["parts"]["says"] == "condition: selection and not 1 of filter_*"
    assert value["logsource"]["served"]


def test_matches_come_first_then_near_misses_and_those_left_out_are_counted(
    rules: Path, events: Path
) -> None:
    far = RULE.replace("0001", "0002").replace("Shell", "Far").replace("\\cmd", "\\x")
    (rules / "far.yml").write_text(far.replace("w3wp", "y"))
    (rules / "near.yml").write_text(
        RULE.replace("0001", "0003").replace("Shell", "Near").replace("\\cmd", "\\x")
    )
    (rules / "other.yml").write_text(
        RULE.replace("0001", "0004").replace("windows", "linux").replace("Shell", "Alien")
    )

    outcome = run(rules, str(events), as_json=True, limit=3)

    titles = [json.loads(line)["title"].split()[0] for line in outcome.out.splitlines()]
    assert titles == ["Shell", "Near", "Far"]
    assert outcome.err == "1 of 4 rules match\n1 rule left out; --limit shows more\n"


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("{}:9", "has no event 9: they are numbered 0 to 3"),
        ("{}:2", "record 2 of"),
        ("{}.zip", "no events at"),
        ("{}:" + "9" * 5000, "beyond any file"),
    ],
)
def test_what_cannot_be_explained_is_said(place: str, says: str, rules: Path, events: Path) -> None:
    outcome = run(rules, place.format(events))

    assert outcome.code == 2
    assert outcome.out == ""
    assert says in outcome.err


def test_pipelines_and_lists_are_applied(rules: Path, events: Path, tmp_path: Path) -> None:
    (rules / "shell.yml").write_text(
        RULE.replace("contains|cased: Backup", "expand: '%jobs%'").replace("ParentI", "I", 1)
    )
    lists, pipeline = tmp_path / "lists.yml", tmp_path / "pipeline.yml"
    lists.write_text("jobs: [Backup, Scan]")
    pipeline.write_text(
        "name: x\npriority: 1\ntransformations:\n"
        "- {id: a, type: field_name_mapping, mapping: {Image: ParentImage}}\n"
    )

    without = run(rules, f"{events}:1")
    with_lists = run(rules, f"{events}:1", lists=str(lists), pipelines=[str(pipeline)])

    assert "no list for the placeholder %jobs%, so this rule matches nothing" in without.out
    assert "CommandLine|expand: '%jobs%': holds; the event has 'Backup'" in with_lists.out
    assert "ParentImage|endswith: '\\cmd.exe': does not hold" in with_lists.out


def test_a_rule_that_cannot_be_used_is_a_fault_and_hides_no_other(
    rules: Path, events: Path
) -> None:
    (rules / "broken.yml").write_text(
        RULE.replace("0001", "0009").replace("not 1 of filter_*", "nothing")
    )

    outcome = run(rules, str(events))

    assert outcome.code == 0
    assert "broken.yml:" in outcome.err
    assert "1 of 1 rules match" in outcome.err


def test_a_correlation_is_told_to_have_nothing_to_explain(rules: Path, events: Path) -> None:
    (rules / "many.yml").write_text(
        "title: Many\nid: 00000000-0000-4000-8000-000000000005\nlevel: high\ncorrelation:\n"
        "    type: event_count\n    rules: 00000000-0000-4000-8000-000000000001\n"
        "    group-by: [User]\n    timespan: 5m\n    condition: {gte: 3}\n"
    )

    outcome = run(rules, str(events))

    assert "many.yml:1: a correlation counts matches" in outcome.err
    assert outcome.err.endswith("1 of 1 rules match\n")
