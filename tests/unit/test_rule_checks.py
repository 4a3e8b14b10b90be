"""Selections that no condition can mean are told, with their lines."""

from pathlib import Path

import pytest

from rules.checks import check

RULE = """title: A rule
id: 00000000-0000-4000-8000-000000000001
level: high
logsource: {{product: linux}}
detection:
  sel_a: {{user: root}}
  sel_b: {{user: jane}}
  _apart: {{user: joe}}
  timeframe: 5m
  condition: {condition}
"""


@pytest.mark.parametrize(
    ("condition", "unused"),
    [
        ("sel_a and sel_b and _apart", []),
        ("1 of sel_* or _apart", []),
        ("1 of sel_* or 1 of _*", []),
        ("(sel_a)", [(7, "sel_b"), (8, "_apart")]),
        ("all of them", [(8, "_apart")]),
        ("1 of *", [(8, "_apart")]),
        ("1 of them | count() by user > 3", [(8, "_apart")]),
    ],
)
def test_a_selection_without_a_use_is_a_fault(
    condition: str, unused: list[tuple[int, str]], tmp_path: Path
) -> None:
    (tmp_path / "rule.yml").write_text(RULE.format(condition=condition))

    faults = check([tmp_path])

    assert [fault.line for fault in faults] == [line for line, _ in unused]
    for fault, (_, name) in zip(faults, unused, strict=True):
        assert f"selection '{name}' is not in the condition" in fault.message
