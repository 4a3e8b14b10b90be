"""Tags of rules against the version of ATT&CK that citysoc ships."""

import re
from pathlib import Path

import pytest

from rules.attack import attack, unknown_tags
from rules.checks import check

RULE = """\
title: A rule
id: 00000000-0000-4000-8000-000000000001
level: high
logsource:
    product: windows
tags:
    - {tag}
detection:
    selection:
        Image: x
    condition: selection
"""


def test_the_list_is_whole() -> None:
    known = attack()

    assert known.version == "19.1"
    assert len(known.tactics) == 15
    assert len(known.techniques) == 697
    assert all(re.fullmatch(r"T\d{4}(\.\d{3})?", each) for each in known.techniques)
    assert all(each[:5] in known.techniques for each in known.techniques)


def test_what_replaces_a_technique_is_one_and_the_old_one_is_none() -> None:
    known = attack()
    replaced = {old: new for old, new in known.replaced.items() if old.startswith("T")}

    assert len(replaced) > 100
    assert known.techniques.keys() >= set(replaced.values())
    assert known.techniques.keys().isdisjoint(replaced)


@pytest.mark.parametrize(
    "tag",
    ["attack.execution", "attack.t1059", "attack.t1059.001", "attack.g0016", "attack.s0002"],
)
def test_what_attack_knows_is_no_fault(tag: str) -> None:
    assert not list(unknown_tags([tag, "cve.2021-44228", "detection.threat-hunting"]))


@pytest.mark.parametrize(
    ("tag", "advice"),
    [
        ("attack.t1562.001", "write t1685"),
        ("attack.defense-evasion", "write stealth or defense-impairment"),
        ("attack.defense_evasion", "write stealth or defense-impairment"),
        ("attack.lateral_movement", "write lateral-movement"),
        ("attack.T1059.001", "write t1059.001"),
        ("attack.t1059.999", "see attack.mitre.org"),
        ("attack.mischief", "see attack.mitre.org"),
        ("attack.", "see attack.mitre.org"),
    ],
)
def test_what_attack_does_not_know_comes_with_advice(tag: str, advice: str) -> None:
    [(found, says)] = unknown_tags([tag])

    assert found == tag
    assert "19.1" in says
    assert says.endswith(advice)


def test_rules_check_says_the_line(tmp_path: Path) -> None:
    rule = tmp_path / "rule.yml"
    rule.write_text(RULE.format(tag="attack.t1086"), encoding="utf-8")

    [fault] = check([rule])

    assert (fault.path, fault.line) == (str(rule), 6)
    assert fault.message.endswith("write t1059.001")


def test_all_but_a_few_tags_of_the_public_rules_are_known(corpora: Path) -> None:
    tag = re.compile(r"^ +- (attack\.\S+)$", re.MULTILINE)
    texts = [path.read_text("utf-8") for path in (corpora / "sigma-rules/rules").rglob("*.yml")]

    unknown = {found for text in texts for found, _ in unknown_tags(tag.findall(text))}

    assert len(texts) > 2_000
    assert unknown == {"attack.ds0005"}  # data sources are no longer part of ATT&CK
