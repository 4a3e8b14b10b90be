"""What rules/README.md says of pySigma's back ends is so."""

import json
import subprocess
import sys
from pathlib import Path

from tests.rules.back_ends import SELECTIONS

ROOT = Path(__file__).parents[2]


def table() -> dict[str, list[str]]:
    """Feature to its cells under *Beside others*: citysoc, rsigma, Lucene, SQLite."""
    section = (ROOT / "rules" / "README.md").read_text("utf-8").split("## Beside others")[1]
    lines = [line for line in section.split("\n## ")[0].splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {name: cells for name, *cells in rows}


def test_the_back_ends_convert_what_the_table_says() -> None:
    said = {
        feature: [not cell.startswith("no") for cell in cells[2:]]
        for feature, cells in table().items()
        if feature in SELECTIONS or feature == "correlations"
    }

    command = [sys.executable, "-m", "tests.rules.back_ends"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert json.loads(found.stdout) == said
    assert len(said) == len(SELECTIONS) + 1
