"""The same attack, in Sigma's names and in those of Elastic's shippers, matches the same rules."""

import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import pytest
import yaml
from sigma.processing.pipeline import ProcessingPipeline

from collectors.logsource import LogSource
from detection.records import events
from detection.schema_view import view
from detection.sigma import Engine, load
from rules.cases import Case, read_cases
from rules.catalog import RuleInfo
from rules.schemas import schemas
from tests.conftest import ROOT
from tests.rules.elastic_kit import common, raw

LIBRARY = ROOT / "rules" / "library"
MAPPINGS = ROOT / "rules" / "mappings"
WINDOWS = sorted(
    rule
    for rule in LIBRARY.glob("windows-*/*.yml")
    if not rule.name.endswith(".cases.yml") and "detection" in yaml.safe_load(rule.read_text())
)


@pytest.fixture(scope="module")
def library() -> Engine:
    return load([LIBRARY])


@pytest.mark.parametrize("path", sorted(MAPPINGS.glob("*.yml")), ids=lambda path: path.stem)
def test_a_mapping_is_a_processing_pipeline_that_pysigma_reads(path: Path) -> None:
    pipeline = ProcessingPipeline.from_dict(yaml.safe_load(path.read_text("utf-8")))

    assert len(pipeline.items) == len(schemas()[path.stem].transformations)
    assert pipeline.priority == schemas()[path.stem].priority


@pytest.mark.parametrize("rule", WINDOWS, ids=lambda rule: rule.stem)
@pytest.mark.parametrize("shape", [raw, common], ids=["raw", "common"])
def test_every_case_of_a_windows_rule_goes_as_it_should_in_ecs(
    rule: Path, shape: Callable[..., dict[str, Any]], library: Engine
) -> None:
    cases, _ = read_cases(rule)
    info = next(each for each in library.rules.values() if each.path == str(rule))
    shown = view("ecs")
    assert shown is not None

    wrong = [
        str(case)
        for case in cases
        if case.matches
        is not _found(
            library,
            info.id,
            shown(_shaped(shape, case, info.logsource), [info.logsource]),
            info.logsource,
        )
    ]

    assert wrong == []


def _shaped(
    shape: Callable[..., dict[str, Any]], case: Case, logsource: LogSource
) -> dict[str, Any]:
    return shape(case.event, str(logsource)) if shape is common else shape(case.event)


def _found(engine: Engine, rule: str, fields: Mapping[str, Any], logsource: LogSource) -> bool:
    return any(each.id == rule for each in engine.match(fields, [logsource]))


def test_a_view_finds_what_rules_put_through_the_pipeline_find(corpora: Path) -> None:
    cases = sorted((corpora / "regression").rglob("*.evtx"))
    chosen = _rules(corpora / "sigma-rules", {case.stem for case in cases})
    native, through = load(chosen), load(chosen, pipelines=[MAPPINGS / "ecs.yml"])
    shown = view("ecs")
    assert shown is not None
    matches = 0

    for event in (each for case in cases for each in events(str(case))):
        if event.fields is None or not (services := {each.service for each in event.logsources}):
            continue
        kind = "security" if "security" in services else event.logsources[0].category
        shaped = common(event.fields, kind)
        by_view = native.match(shown(shaped, event.logsources), event.logsources)
        by_pipeline = through.match(shaped, event.logsources)
        as_it_came = native.match(event.fields, event.logsources)
        assert _ids(by_view) == _ids(by_pipeline) == _ids(as_it_came), shaped
        matches += len(by_view)

    assert matches > 60


def _rules(folder: Path, wanted: AbstractSet[str]) -> Sequence[Path]:
    """The rules of the cases, but those on missing values (see rules/README.md)."""
    texts = {rule: rule.read_text("utf-8") for rule in folder.rglob("*.yml")}
    return sorted(
        rule
        for rule, text in texts.items()
        if (named := re.search(r"^id: (\S+)", text, re.MULTILINE))
        and named[1] in wanted
        and "null" not in text
    )


def _ids(found: Sequence[RuleInfo]) -> list[str]:
    return [rule.id for rule in found]
