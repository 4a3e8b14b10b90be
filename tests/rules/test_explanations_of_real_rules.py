"""Explanations of our rules and of public ones say what the engine says."""

from functools import cache
from pathlib import Path

import pytest

from collectors.logsource import LogSource
from detection.records import events
from detection.sigma import Engine
from detection.sigma.explain import Explainer
from detection.sigma.ruleset import build
from rules.cases import read_cases
from rules.catalog import Catalog, Rule, read

EVERY = {"windows.ndjson.gz": 1500, "aws-cloudtrail.ndjson.gz": 100, "zeek.ndjson.gz": 700}
OURS = read([Path(__file__).parents[2] / "rules" / "library"]).rules


@cache
def public(folder: Path) -> tuple[Engine, list[Explainer]]:
    catalog = read([folder / "sigma-rules" / "rules"])
    engine = build(catalog, "public")
    return engine, [Explainer(rule) for rule in catalog.rules if rule.info.id in engine.rules]


@pytest.mark.parametrize("stream", EVERY)
def test_public_rules_are_explained_as_they_match(stream: str, corpora: Path) -> None:
    engine, explainers = public(corpora)
    sample = [
        event
        for event in events(str(corpora / "streams" / stream))
        if event.number % EVERY[stream] == 0 and event.fields is not None
    ]

    explained = [
        [
            explanation.rule.id
            for each in explainers
            if (explanation := each.explain(event.fields or {}, event.logsources)).matches
        ]
        for event in sample
    ]

    assert len(sample) > 5
    assert explained == [
        [rule.id for rule in engine.match(event.fields or {}, event.logsources)] for event in sample
    ]


@pytest.mark.parametrize("rule", OURS, ids=lambda rule: Path(rule.info.path).stem)
def test_our_cases_are_explained_as_they_match(rule: Rule) -> None:
    explainer = Explainer(rule)
    asked: LogSource = rule.info.logsource
    cases, _ = read_cases(rule.info.path)
    engine = build(Catalog(rules=[rule]), "one")

    for case in cases:
        explanation = explainer.explain(case.event, [asked])

        assert explanation.matches is bool(engine.match(case.event, [asked]))
        assert explanation.matches is case.matches
        assert bool(explanation.reasons) or not explanation.matches
