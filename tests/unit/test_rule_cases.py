"""Checks of rule files, and cases that notice whatever is left out of a rule."""

import io
import re
from pathlib import Path

import pytest
import yaml

import rules
from detection.cases import report, run_cases, surviving_mutants
from rules.cases import read_cases
from rules.catalog import read
from rules.checks import check
from rules.conditions import parse, without_a_part
from rules.mutants import mutants

RULE = """\
title: Shell by a web server
id: 00000000-0000-4000-8000-000000000001
level: high
advice: Ask the owner of the site.
logsource: {product: linux, category: process_creation}
detection:
    selection:
        ParentImage|endswith:
            - /nginx
            - /httpd
        Image|endswith: /sh
    filter_backup:
        CommandLine|contains: backup
    condition: selection and not 1 of filter_*
"""
CASES = """\
match:
    - event: {ParentImage: /usr/nginx, Image: /bin/sh, CommandLine: id}
      why: the first server
    - {ParentImage: /usr/httpd, Image: /bin/sh}
no_match:
    - {ParentImage: /usr/cron, Image: /bin/sh}
    - {ParentImage: /usr/nginx, Image: /bin/ls}
    - {ParentImage: /usr/nginx, Image: /bin/sh, CommandLine: run backup}
"""


@pytest.fixture
def rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CITYSOC_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "rules" / "web_shell.yml"
    path.parent.mkdir()
    path.write_text(RULE)
    path.with_name("web_shell.cases.yml").write_text(CASES)
    return path


def without(path: Path, line: str) -> None:
    cases = path.with_name("web_shell.cases.yml")
    text = cases.read_text()
    assert line in text
    cases.write_text(text.replace(line, ""))


def test_a_rule_whose_cases_notice_everything_is_sound(rule: Path) -> None:
    [result] = run_cases([rule.parent])

    assert result.sound
    assert result.cases == 5


@pytest.mark.parametrize(
    ("line", "survivor"),
    [
        ("    - {ParentImage: /usr/httpd, Image: /bin/sh}\n", "ParentImage|endswith: '/httpd'"),
        ("    - {ParentImage: /usr/cron, Image: /bin/sh}\n", "selection: ParentImage|endswith"),
        ("    - {ParentImage: /usr/nginx, Image: /bin/ls}\n", "selection: Image|endswith"),
        (
            "    - {ParentImage: /usr/nginx, Image: /bin/sh, CommandLine: run backup}\n",
            "as 'selection'",
        ),
    ],
)
def test_what_no_case_needs_is_named(line: str, survivor: str, rule: Path) -> None:
    without(rule, line)

    [result] = run_cases([rule])

    assert not result.failures
    assert [survivor in each for each in result.survivors].count(True) >= 1


def test_a_case_that_goes_otherwise_is_a_failure(rule: Path) -> None:
    rule.write_text(RULE.replace("/sh", "/dash"))

    [result] = run_cases([rule])

    assert result.failures == ["match[0] (the first server)", "match[1]"]


def test_the_report_says_what_is_wrong_and_where(rule: Path) -> None:
    without(rule, "    - {ParentImage: /usr/cron, Image: /bin/sh}\n")
    out, err = io.StringIO(), io.StringIO()

    code = report([rule], out=out, err=err)

    assert code == 1
    assert out.getvalue().startswith(f"{rule}:1: no case would miss selection: ParentImage")
    assert err.getvalue() == "1 rules, 4 cases, 1 rules not sound\n"


def test_the_report_of_sound_rules_and_of_none(rule: Path) -> None:
    out, err = io.StringIO(), io.StringIO()

    codes = [report([rule], out=out, err=err), report([rule / "none"], out=out, err=err)]

    assert (codes, out.getvalue()) == ([0, 2], "")


def test_the_unchanged_rule_is_no_mutant_of_itself(rule: Path) -> None:
    [read_rule] = read([rule]).rules
    found = list(mutants(read_rule.document.content))

    assert len(found) >= 8
    assert all(mutant.document != read_rule.document.content for mutant in found)
    assert read_rule.document.content == yaml.safe_load(RULE)


def test_without_cases_every_part_that_leaves_a_rule_survives(rule: Path) -> None:
    [read_rule] = read([rule]).rules
    names = [mutant.left_out for mutant in mutants(read_rule.document.content)]

    survivors = surviving_mutants(read_rule, [])

    assert set(names) - set(survivors) == {"selection filter_backup"}  # then `1 of` has nothing


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("match: []\nno_match: [{a: 1}]\n", "at least one event"),
        ("match: [{a: 1}]\n", "`no_match:` should be"),
        ("match: [1]\nno_match: [{a: 1}]\n", "match[0] should be an event"),
        ("match: [{a: 1}]\nno_match: [{b: 1}]\nmaybe: []\n", "unknown key 'maybe'"),
        ("- a\n", "expected one map"),
        ("a: [\n", "not YAML"),
    ],
)
def test_faults_of_cases_are_said(text: str, message: str, rule: Path) -> None:
    rule.with_name("web_shell.cases.yml").write_text(text)

    _, faults = read_cases(rule)

    assert any(message in fault.message for fault in faults)


def test_a_sound_library_rule_has_no_faults(rule: Path) -> None:
    assert check([rule.parent], library=True) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("|endswith: /sh", "|endswth: /sh", 11, "endswth"),
        ("level: high\n", "", 1, "no level"),
        ("title: Shell by a web server\n", "", 1, "title"),
        ("id: 00000000-0000-4000-8000-000000000001\n", "", 1, "no id"),
        ("advice: Ask the owner of the site.\n", "", 1, "no `advice`"),
        ("not 1 of filter_*", "not 1 of filer_*", 14, "filer_*"),
        ("selection and not 1 of filter_*", "selection", 12, "'filter_backup' is not in"),
        ("        Image|endswith: /sh\n", "        Image: /x\n        Image: /y\n", 12, "twice"),
        ("selection and", "selection and (", 14, ""),
        ("level: high", "level: awful", 3, "awful"),
        ("level: high", "level: [", 5, "not YAML"),
    ],
)
def test_faults_of_rules_are_said_where_they_stand(
    old: str, new: str, line: int, message: str, rule: Path
) -> None:
    assert old in RULE
    rule.write_text(RULE.replace(old, new))

    faults = check([rule], library=True)

    assert (line, True) in [(fault.line, message in fault.message) for fault in faults]


def test_library_rules_need_cases_and_others_do_not(rule: Path) -> None:
    rule.with_name("web_shell.cases.yml").unlink()

    assert [fault.message for fault in check([rule], library=True)] == [
        "no cases: expected 'web_shell.cases.yml' beside the rule"
    ]
    assert check([rule]) == []


def test_an_id_used_in_two_files_is_a_fault(rule: Path) -> None:
    rule.with_name("other.yml").write_text(RULE.replace("Shell", "Other"))

    [fault] = check([rule.parent])

    assert fault.line == 2
    assert "is taken by the rule at" in fault.message


@pytest.mark.parametrize(
    ("condition", "changed"),
    [
        ("a", []),
        ("not a", ["a"]),
        ("a and b", ["b", "a"]),
        ("a and not b", ["not (b)", "a", "(a) and (b)"]),
        ("a or b and c", ["(b) and (c)", "a", "(a) or (c)", "(a) or (b)"]),
        ("(a or 1 of b*) and c", ["c", "(a) or (1 of b*)", "(1 of b*) and (c)", "(a) and (c)"]),
    ],
)
def test_each_part_of_a_condition_is_left_out_once(condition: str, changed: list[str]) -> None:
    assert sorted(map(str, without_a_part(parse(condition)))) == sorted(changed)


@pytest.mark.parametrize("condition", ["", "a and", "(a", "a)", "a ! b"])
def test_what_is_no_condition_is_refused(condition: str) -> None:
    with pytest.raises(ValueError, match="condition"):
        parse(condition)


def test_the_example_for_rule_authors_is_sound(tmp_path: Path) -> None:
    readme = Path(rules.__file__).with_name("README.md").read_text(encoding="utf-8")
    rule_text, cases_text = re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)
    (tmp_path / "example.yml").write_text(rule_text)
    (tmp_path / "example.cases.yml").write_text(cases_text)

    [result] = run_cases([tmp_path])

    assert result.sound
    assert check([tmp_path], library=True) == []
