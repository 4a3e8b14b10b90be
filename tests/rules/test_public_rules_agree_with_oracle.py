"""All public rules over a sample of real events: engine against naive evaluator."""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from collectors.logsource import LogSource
from detection.records import events
from detection.sigma import Engine
from detection.sigma.ruleset import build
from rules.catalog import read
from tests.property.naive_sigma import matches

RULE_SETS = ("rules", "rules-emerging-threats", "rules-threat-hunting")
EVERY = {"windows.ndjson.gz": 75, "aws-cloudtrail.ndjson.gz": 30, "zeek.ndjson.gz": 200}
NEEDS_LISTS = "expand"


class Loaded(NamedTuple):
    """The same rules twice: compiled, and as they are written."""

    engine: Engine
    written: list[tuple[str, LogSource, dict[str, Any]]]


@cache
def loaded(folder: Path) -> Loaded:
    catalog = read([folder / "sigma-rules" / name for name in RULE_SETS])
    written = [
        (rule.info.id, rule.info.logsource, rule.document.content)
        for rule in catalog.rules
        if NEEDS_LISTS not in str(rule.document.content["detection"])
    ]
    return Loaded(build(catalog, "public"), written)


@pytest.mark.parametrize("stream", EVERY)
def test_engine_and_oracle_find_the_same(stream: str, corpora: Path) -> None:
    engine, written = loaded(corpora)
    sample = [
        event
        for event in events(str(corpora / "streams" / stream))
        if event.number % EVERY[stream] == 0 and event.fields is not None
    ]

    found = [
        [rule.id for rule in engine.match(event.fields or {}, event.logsources)] for event in sample
    ]

    assert len(sample) > 40
    assert found == [expected(written, event.fields or {}, event.logsources) for event in sample]


def expected(
    written: list[tuple[str, LogSource, dict[str, Any]]],
    fields: dict[str, Any],
    logsources: tuple[LogSource, ...],
) -> list[str]:
    return [
        identity
        for identity, asked, document in written
        if any(each.serves(asked) for each in logsources) and matches(document, fields)
    ]
