"""The public rules with a pipe in their condition: what becomes of each of them."""

import re
from pathlib import Path

import pytest
import yaml

from rules.catalog import Catalog, read

AGGREGATES = re.compile(r"\|\s*(count|sum|avg)\s*\(", re.IGNORECASE)


@pytest.fixture(scope="module")
def catalog(corpora: Path) -> Catalog:
    return read([corpora / "sigma-rules" / "unsupported"])


@pytest.fixture(scope="module")
def piped(corpora: Path) -> dict[str, str]:
    """Path to condition of every rule with a pipe."""
    found: dict[str, str] = {}
    for path in sorted((corpora / "sigma-rules" / "unsupported").rglob("*.yml")):
        for content in yaml.safe_load_all(path.read_text("utf-8")):
            condition = str((content or {}).get("detection", {}).get("condition", ""))
            if "|" in condition:
                found[str(path)] = condition
    return found


def test_every_rule_that_aggregates_becomes_a_correlation(
    catalog: Catalog, piped: dict[str, str]
) -> None:
    aggregating = {path for path, condition in piped.items() if AGGREGATES.search(condition)}

    assert {each.info.path for each in catalog.correlations} == aggregating
    assert len(piped) == 54
    assert len(aggregating) == 46


def test_a_correlation_counts_what_stands_in_front_of_the_pipe(
    catalog: Catalog, piped: dict[str, str]
) -> None:
    rules = {rule.info.id for rule in catalog.rules}

    for each in catalog.correlations:
        said = piped[each.info.path]
        by = re.search(r"\bby\s+(\S+(?:\s*,\s*\S+)*?)\s*[<>=]", said, re.IGNORECASE)
        assert set(each.rules) <= rules
        assert each.group_by == (tuple(re.split(r"\s*,\s*", by[1])) if by else ())
        assert f"{each.threshold:g}" == re.split(r"[<>=]\s*", said)[-1].strip()


def test_every_other_one_is_refused_with_its_file_a_line_and_a_reason(
    catalog: Catalog, piped: dict[str, str]
) -> None:
    used = {rule.info.path for rule in catalog.rules}

    others = {path: text for path, text in piped.items() if not AGGREGATES.search(text)}
    assert len(others) == 8
    for path, condition in others.items():
        assert path not in used
        faults = [fault for fault in catalog.faults if fault.path == path]
        said = " ".join(fault.message for fault in faults)
        assert all(fault.line > 1 for fault in faults)
        assert ("near" in condition) == ("never said how near" in said)
