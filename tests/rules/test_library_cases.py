"""Every rule of the library against the events beside it."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

import rules
from detection.sigma.ruleset import Engine, load

LIBRARY = Path(rules.__file__).parent / "library"
RULES = sorted(
    path.relative_to(LIBRARY).with_suffix("").as_posix()
    for path in LIBRARY.rglob("*.yml")
    if not path.name.endswith(".cases.yml")
)


@cache
def engine() -> Engine:
    return load([LIBRARY])


def read(name: str) -> dict[str, Any]:
    document = yaml.safe_load((LIBRARY / f"{name}.yml").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def cases(name: str, kind: str) -> Iterator[dict[str, Any]]:
    document = yaml.safe_load((LIBRARY / f"{name}.cases.yml").read_text(encoding="utf-8"))
    assert document[kind], f"{name} has no case under {kind}"
    yield from document[kind]


def matches(name: str, event: dict[str, Any]) -> bool:
    rule = engine().rules[read(name)["id"]]
    return rule.id in {found.id for found in engine().match(event, [rule.logsource])}


def test_the_whole_library_loads() -> None:
    assert not engine().faults
    assert not engine().notices
    assert len(engine().rules) == len(RULES)


@pytest.mark.parametrize("name", RULES)
def test_rule_matches_its_events(name: str) -> None:
    missed = [event for event in cases(name, "match") if not matches(name, event)]

    assert not missed


@pytest.mark.parametrize("name", RULES)
def test_rule_leaves_its_counterexamples_alone(name: str) -> None:
    matched = [event for event in cases(name, "no_match") if matches(name, event)]

    assert not matched


@pytest.mark.parametrize("name", RULES)
def test_counterexample_is_an_event_with_one_field_changed(name: str) -> None:
    originals = list(cases(name, "match"))

    for event in cases(name, "no_match"):
        distance = min(
            sum(original.get(field) != event.get(field) for field in original.keys() | event)
            for original in originals
        )
        assert distance == 1, event


@pytest.mark.parametrize("name", RULES)
def test_rule_tells_whoever_gets_the_alert_what_to_do(name: str) -> None:
    rule = read(name)

    assert rule["advice"].endswith(".")
    assert rule["falsepositives"]
    assert any(tag.startswith("attack.t") for tag in rule["tags"])
    assert rule["level"] in {"low", "medium", "high", "critical"}
