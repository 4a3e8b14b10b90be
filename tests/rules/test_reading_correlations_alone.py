"""The correlation stage reads what it needs of a rule set, and the same as if it read all."""

from pathlib import Path

import pytest

import rules
from rules import catalog
from rules.counting import read_correlations

LIBRARY = Path(rules.__file__).parent / "library"


def test_correlations_read_alone_are_those_of_the_whole_set(corpora: Path) -> None:
    paths = [LIBRARY, corpora / "sigma-rules" / "unsupported"]

    alone = read_correlations(paths)

    whole = catalog.read(paths).correlations
    assert len(whole) > 50
    assert [(each.info, each.rules, each.aliases) for each in alone] == [
        (each.info, each.rules, each.aliases) for each in whole
    ]


def test_rules_that_no_correlation_means_are_not_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    monkeypatch.setattr(catalog, "rule_files", lambda paths: read.extend(paths) or paths)

    found = read_correlations([LIBRARY])

    assert len(found) == len(list((LIBRARY / "correlations").glob("*.cases.yml")))
    assert len(read) < 40


def test_a_set_without_correlations_has_none(tmp_path: Path) -> None:
    (tmp_path / "rule.yml").write_text("title: a\n")

    assert read_correlations([tmp_path]) == []
