"""The public regression cases of SigmaHQ's rules, from Windows event logs and as JSON."""

import os
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from collectors.recognise import logsources
from detection.records import events
from detection.sigma import Engine, load

ROOT = Path(__file__).parents[2]
CORPORA = Path(os.environ.get("CITYSOC_CORPORA", ROOT.parent / "shared" / "corpora"))
RULE_SETS = ("rules", "rules-emerging-threats", "rules-threat-hunting")
RULES = 3_754
CASES = 102
RIGHTLY_MORE = {"45e112d0-7759-4c2a-aa36-9f8fb79d3393": 3}
"""Cases where more records match, and rightly so, than their file says."""


class Case(NamedTuple):
    """One rule and the log that it must match."""

    rule: str
    log: Path
    count: int | None
    """How often, None for at least once."""


def found_cases() -> list[Case]:
    return [
        case_of(yaml.load(info.read_bytes(), Loader=yaml.CSafeLoader), log)
        for info in sorted((CORPORA / "regression").rglob("info.yml"))
        for log in sorted(info.parent.glob("*.evtx"))
    ]


def case_of(info: dict[str, Any], log: Path) -> Case:
    rule = str(info["rule_metadata"][0]["id"])
    tests = info.get("regression_tests_info") or [{}]
    return Case(rule, log, RIGHTLY_MORE.get(rule, tests[0].get("match_count")))


@cache
def engine(folder: Path) -> Engine:
    return load([folder / "sigma-rules" / name for name in RULE_SETS])


def test_every_public_rule_loads(corpora: Path) -> None:
    loaded = engine(corpora)

    assert (len(loaded.rules), loaded.failed, loaded.faults) == (RULES, 0, ())


def test_rules_whose_placeholders_have_no_list_are_reported(corpora: Path) -> None:
    notices = engine(corpora).notices

    assert len(notices) == 2
    assert all("%known_cdcs%" in notice.message for notice in notices)


def test_all_cases_are_there(corpora: Path) -> None:
    assert len(found_cases()) == CASES
    assert all(case.log.with_suffix(".json").is_file() for case in found_cases())


@pytest.mark.parametrize("hinted", [False, True], ids=["recognised", "hinted"])
@pytest.mark.parametrize("form", [".evtx", ".json"])
@pytest.mark.parametrize("case", found_cases(), ids=lambda case: case.rule)
def test_the_rule_matches_the_log_as_often_as_it_should(
    case: Case, form: str, hinted: bool, corpora: Path
) -> None:
    log = case.log.with_suffix(form)
    loaded = engine(corpora)
    asked = loaded.rules[case.rule].logsource
    own = {"logsource": {**asked._asdict()}}

    count = sum(
        match.id == case.rule
        for event in events(str(log))
        if event.fields is not None
        for match in loaded.match(
            event.fields | own if hinted else event.fields,
            logsources(event.fields | own, "json") if hinted else event.logsources,
        )
    )

    assert count == case.count if case.count else count >= 1
