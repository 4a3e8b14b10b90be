"""All public rules over a sample of real Windows events: engine against naive evaluator."""

from pathlib import Path
from typing import Any

import pytest

from collectors.logsource import LogSource
from detection.records import events
from detection.sigma import load
from rules.catalog import read
from tests.property.naive_sigma import matches

RULE_SETS = ("rules", "rules-emerging-threats", "rules-threat-hunting")
EVERY = {"windows.ndjson.gz": 150, "aws-cloudtrail.ndjson.gz": 30, "zeek.ndjson.gz": 200}
NEEDS_LISTS = "expand"


@pytest.mark.parametrize("stream", EVERY)
def test_engine_and_oracle_find_the_same(stream: str, corpora: Path) -> None:
    folders = [corpora / "sigma-rules" / name for name in RULE_SETS]
    engine = load(folders)
    rules = [
        (rule.info.id, rule.info.logsource, rule.document.content)
        for rule in read(folders).rules
        if NEEDS_LISTS not in str(rule.document.content["detection"])
    ]
    sample = [
        event
        for event in events(str(corpora / "streams" / stream))
        if event.number % EVERY[stream] == 0 and event.fields is not None
    ]

    found = [[rule.id for rule in engine.match(event.fields, event.logsources)] for event in sample]

    assert len(sample) > 40
    assert found == [expected(rules, event.fields, event.logsources) for event in sample]


def expected(
    rules: list[tuple[str, LogSource, dict[str, Any]]],
    fields: dict[str, Any] | None,
    logsources: tuple[LogSource, ...],
) -> list[str]:
    return [
        identity
        for identity, asked, document in rules
        if any(each.serves(asked) for each in logsources) and matches(document, fields or {})
    ]
