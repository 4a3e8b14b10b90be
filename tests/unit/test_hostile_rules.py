"""Rule files made to be slow to read are refused in time, and stop no other."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from detection.sigma import load
from rules.checks import check

GOOD = """title: Good
id: 00000000-0000-4000-8000-000000000001
level: low
logsource: {product: linux}
detection: {sel: {user: root}, condition: sel}
"""
HEAD = """title: Hostile
id: 00000000-0000-4000-8000-000000000002
level: low
logsource: {product: linux}
"""
SECONDS = 3.0
"""Of processor time, for what should take a tenth of it."""


def doubled(first: str, between: str) -> str:
    """Nine of what is above it on each of nine lines: a thousand million in all."""
    lines = [f"    - &l0 {first}"]
    lines += [f"    - &l{n} {between.format(','.join([f'*l{n - 1}'] * 9))}" for n in range(1, 10)]
    return "\n".join(lines)


def detection(condition: str, selections: str = "sel: {f: 1}") -> str:
    return f"{HEAD}detection: {{{selections}, condition: {condition}}}\n"


def below(parts: Sequence[str]) -> str:
    return ", ".join(parts)


HOSTILE = {
    "aliases of lists": f"{HEAD}detection:\n  sel:\n{doubled('[x]', '[{}]')}\n  condition: sel\n",
    "aliases of maps": f"{HEAD}detection:\n  sel:\n{doubled('{a: x}', '[{}]')}\n  condition: sel\n",
    "an alias within itself": f"{HEAD}detection: &d {{sel: *d, condition: sel}}\n",
    "many lists": detection("sel", f"sel: {'[' * 5_000}{']' * 5_000}"),
    "many parentheses": detection("(" * 20_000 + "sel" + ")" * 20_000),
    "some parentheses": detection("(" * 100 + "sel" + ")" * 100),
    "many nots": detection("not " * 2_000 + "sel"),
    "many ands": detection(" and ".join(["sel"] * 20_000)),
    "many patterns": detection(
        " and ".join(["1 of s*"] * 50), below([f"s{number}: {{f: 1}}" for number in range(2_000)])
    ),
    "an old condition": detection(f"sel | count() by {'a,' * 5_000} !"),
    "a field of spaces": detection(f"'sel | count({' ' * 15_000}'"),
    "a correlation": GOOD.replace("detection: {sel: {user: root}, condition: sel}", "")
    .replace("0001", "0002")
    .replace("logsource: {product: linux}", "")
    + f"correlation: {{type: temporal, timespan: 1m, condition: {'(' * 300_000}}}\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_made_to_be_slow_is_refused_in_time(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITYSOC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "good.yml").write_text(GOOD)
    (tmp_path / "hostile.yml").write_text(HOSTILE[name])

    began = time.process_time()
    loaded = load([tmp_path])
    faults = check([tmp_path])

    assert time.process_time() - began < SECONDS
    assert [rule.title for rule in loaded.rules.values()] == ["Good"]
    assert {Path(fault.path).name for fault in loaded.faults} == {"hostile.yml"}
    assert faults
