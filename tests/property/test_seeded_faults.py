"""The oracle finds mistakes that are put into the engine on purpose."""

import os
import subprocess
import sys

import pytest

from tests.property.seeded_faults import FAULTS, ROOT

WHOLE = os.environ.get("CITYSOC_LONG") == "1"
TRIED = range(len(FAULTS)) if WHOLE else (1, 8, 14, 20, 24)
"""All thirty in `make faults`."""


def test_there_are_thirty_faults_and_each_can_be_made() -> None:
    assert len({(fault.module, fault.right) for fault in FAULTS}) == 30
    for fault in FAULTS:
        assert compile(fault.seeded(), str(fault.path), "exec")


@pytest.mark.parametrize("number", TRIED)
def test_the_oracle_finds_the_fault(number: int) -> None:
    command = [sys.executable, "-m", "tests.property.seeded_faults", str(number)]

    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)

    assert found.returncode == 0, (FAULTS[number], found.stderr)
