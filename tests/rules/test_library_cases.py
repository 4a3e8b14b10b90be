"""Every rule of the library against the events beside it."""

from pathlib import Path

import pytest
import yaml

import rules
from detection.cases import run_cases
from rules.cases import read_cases
from rules.checks import check

LIBRARY = Path(rules.__file__).parent / "library"
RULES = sorted(
    path.relative_to(LIBRARY).as_posix()
    for path in LIBRARY.rglob("*.yml")
    if not path.name.endswith(".cases.yml")
)


CORRELATIONS = [name for name in RULES if name.startswith("correlations/")]
DETECTIONS = [name for name in RULES if name not in CORRELATIONS]


def test_the_library_has_no_faults() -> None:
    assert RULES
    assert check([LIBRARY], library=True) == []


@pytest.mark.parametrize("name", RULES)
def test_rule_passes_its_cases_and_each_of_its_parts_is_needed(name: str) -> None:
    (result,) = run_cases([LIBRARY / name], among=[LIBRARY] if name in CORRELATIONS else [])

    assert not result.faults
    assert not result.failures
    assert not result.survivors


@pytest.mark.parametrize("name", DETECTIONS)
def test_counterexample_is_an_event_with_one_field_changed(name: str) -> None:
    cases, _ = read_cases(LIBRARY / name)
    originals = [case.event for case in cases if case.matches]

    for case in cases:
        if not case.matches:
            distance = min(
                sum(
                    original.get(field) != case.event.get(field)
                    for field in {*original, *case.event}
                )
                for original in originals
            )
            assert distance == 1, str(case)


@pytest.mark.parametrize("name", RULES)
def test_rule_tells_whoever_gets_the_alert_what_to_do(name: str) -> None:
    rule = yaml.safe_load((LIBRARY / name).read_text(encoding="utf-8"))

    assert rule["advice"].endswith(".")
    assert rule["falsepositives"]
    assert any(tag.startswith("attack.t") for tag in rule["tags"])
    assert rule["level"] in {"low", "medium", "high", "critical"}
