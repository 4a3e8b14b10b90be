"""Filter documents of a rule set: what matches must fulfil too, for all organisations."""

from pathlib import Path
from textwrap import dedent

import pytest

from collectors.logsource import LogSource
from detection.sigma import Engine, load
from rules.checks import check

PROCESS = LogSource("windows", "process_creation", "sysmon")
A, B = (f"00000000-0000-4000-8000-{number:012}" for number in (1, 2))
RULES = f"""\
title: Whoami
name: whoami
id: {A}
level: high
logsource: {{product: windows, category: process_creation}}
detection:
    selection: {{Image|endswith: '\\whoami.exe'}}
    filter_one: {{User: 'root'}}
    condition: all of sel* and not 1 of filter_*
---
title: Net
id: {B}
level: high
logsource: {{product: windows, category: process_creation}}
detection:
    one: {{Image|endswith: '\\net.exe'}}
    two: {{Image|endswith: '\\net1.exe'}}
    condition: [one, two]
"""
FILTER = """\
title: Administrators may
logsource: {logsource}
filter:
    rules: {rules}
    selection: {{User|startswith: 'adm_'}}
    filter_night: {{Shift: 'night'}}
    condition: {condition}
"""
WINDOWS = "{product: windows}"


def loaded(folder: Path, *filters: str) -> Engine:
    (folder / "rules.yml").write_text(RULES)
    for number, text in enumerate(filters):
        (folder / f"filter_{number}.yml").write_text(dedent(text))
    return load([folder])


def made(rules: str = A, condition: str = "not selection", logsource: str = WINDOWS) -> str:
    return FILTER.format(rules=rules, condition=condition, logsource=logsource)


def matched(engine: Engine, program: str, **fields: object) -> list[str]:
    event = {"Image": f"C:\\{program}.exe", **fields}
    return [rule.title for rule in engine.match(event, [PROCESS])]


@pytest.mark.parametrize("rules", [A, "whoami", f"[{A}]", f"[{B}, whoami]", "any", "[]"])
def test_a_filter_holds_back_matches_of_its_rules(tmp_path: Path, rules: str) -> None:
    engine = loaded(tmp_path, made(rules))

    assert matched(engine, "whoami", User="jane") == ["Whoami"]
    assert matched(engine, "whoami") == ["Whoami"]
    assert matched(engine, "whoami", User="root") == []
    assert matched(engine, "whoami", User="ADM_jane") == []
    others = [] if B in rules or rules in ("any", "[]") else ["Net"]
    assert matched(engine, "net", User="adm_jane") == others
    assert matched(engine, "net1", User="adm_jane") == others
    assert engine.faults == ()


def test_a_filter_without_a_not_asks_for_more(tmp_path: Path) -> None:
    engine = loaded(tmp_path, made("any", "selection"))

    assert matched(engine, "net", User="adm_jane") == ["Net"]
    assert matched(engine, "net", User="jane") == []


def test_patterns_of_rule_and_filter_mean_their_own_selections(tmp_path: Path) -> None:
    engine = loaded(tmp_path, made("any", "not all of them"), made(A, "not 1 of filter_*"))

    assert matched(engine, "whoami", User="adm_jane", Shift="day") == ["Whoami"]
    assert matched(engine, "whoami", User="adm_jane", Shift="night") == []
    assert matched(engine, "whoami", User="jane", Shift="night") == []
    assert matched(engine, "net", User="jane", Shift="night") == ["Net"]


@pytest.mark.parametrize(
    "logsource",
    ["{product: linux}", "{product: windows, category: process_creation, service: sysmon}"],
)
def test_a_filter_is_for_rules_of_its_log_source(tmp_path: Path, logsource: str) -> None:
    engine = loaded(tmp_path, made("any", logsource=logsource))

    assert matched(engine, "whoami", User="adm_jane") == ["Whoami"]


REFUSED = [
    (made(condition="missing"), 7, "missing"),
    (made(condition="1 of nothing_*"), 7, "no selection is called so"),
    (made(condition="selection | count() > 3"), 7, "without a pipe"),
    (made(condition="[selection]"), 7, "condition must be a string"),
    (made().replace("startswith", "begins"), 3, "begins"),
    (made().replace("startswith: 'adm_'", "expand: '%admins%'"), 3, "one organisation"),
    (made().replace("startswith: 'adm_'", "re: '(?<=a)b'"), 5, "not one of RE2's"),
    (made().replace("rules: " + A, "rules: [[]]"), 4, "ids and names of rules"),
    ("title: no filter\nlogsource: {product: windows}\nfilter: 7\n", 3, ""),
    ("title: no filter\nlogsource: {product: windows}\nfilter: {rules: any}\n", 3, "condition"),
    (made().replace("    rules: " + A + "\n", ""), 3, "rules"),
    ("title: no source\nfilter: {rules: any, s: {a: 1}, condition: not s}\n", 2, "log source"),
]


def test_many_filters_of_one_rule_are_joined(tmp_path: Path) -> None:
    engine = loaded(tmp_path, *[made("any", f"not 1 of filter_* or {'not ' * 2}selection")] * 200)

    assert engine.faults == ()
    assert matched(engine, "whoami", User="jane", Shift="day") == ["Whoami"]
    assert matched(engine, "whoami", User="jane", Shift="night") == []


@pytest.mark.parametrize(("text", "line", "says"), REFUSED, ids=range(len(REFUSED)))
def test_a_broken_filter_is_reported_and_its_rules_match(
    tmp_path: Path, text: str, line: int, says: str
) -> None:
    engine = loaded(tmp_path, text)

    fault = engine.faults[0]
    assert (Path(fault.path).name, fault.line) == ("filter_0.yml", line)
    assert says in fault.message
    assert engine.failed == 1
    assert matched(engine, "whoami", User="adm_jane") == ["Whoami"]


def test_a_filter_for_a_rule_that_is_not_there_is_reported_and_works_for_the_others(
    tmp_path: Path,
) -> None:
    engine = loaded(tmp_path, made(f"[{A}, gone]"))

    assert [(fault.line, fault.message) for fault in engine.faults] == [
        (4, "the filter is for 'gone', and no rule here has that id or name")
    ]
    assert matched(engine, "whoami", User="adm_jane") == []
    assert [fault.line for fault in check([tmp_path])] == [4]


def test_a_counted_rule_is_filtered_by_the_id_that_its_author_gave_it(tmp_path: Path) -> None:
    counted = f"""\
        title: Many
        id: {A.replace("8000", "9000")}
        level: high
        logsource: {{product: windows, category: process_creation}}
        detection:
            selection: {{Image|endswith: '\\\\arp.exe'}}
            condition: selection | count() by User > 3
        """
    engine = loaded(tmp_path, counted, made(A.replace("8000", "9000")))

    assert matched(engine, "arp", User="jane") == ["Many"]
    assert matched(engine, "arp", User="adm_jane") == []
