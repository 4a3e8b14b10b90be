"""Public rules that ask for lists: nothing without them, at work for whoever has them."""

from pathlib import Path

import pytest

from detection.own_rules import OwnRules
from detection.policy import Policy
from detection.sigma import load
from rules.catalog import read
from rules.placeholders import files_that_expand, placeholders
from tests.rule_sets import Sets


def test_every_one_of_them_is_compiled_for_an_organisation_with_the_lists(
    corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITYSOC_CACHE", str(tmp_path))
    folder = corpora / "sigma-rules" / "rules-placeholder"
    asked = {
        rule.info.id: placeholders(rule.document.content["detection"])
        for rule in read([folder]).rules
    }
    lists = {name: ("one", "t*o") for names in asked.values() for name in names}
    shared = load([folder])
    own = OwnRules(Sets(shared, rules=[folder]))

    made = own.of("", Policy(tenant="school", version=1, lists=lists))

    asking = {identity for identity, names in asked.items() if names}
    expanded = made._expanded  # type: ignore[attr-defined]
    assert len(asking) >= 20
    assert set(expanded.rules) == asking
    assert expanded.faults == expanded.notices == ()
    assert {(each.path, each.line) for each in shared.notices} >= {
        (rule.path, rule.line) for rule in shared.rules.values() if rule.id in asking
    }


def test_few_public_rules_have_to_be_read_again(corpora: Path) -> None:
    rules = corpora / "sigma-rules"

    found = files_that_expand([rules / "rules", rules / "rules-placeholder"])

    assert 20 <= len(found) <= 60
