"""What the labels of AIT's networks say, and how flagged windows are judged by them."""

import csv
import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from detection.anomaly.state import DAY

ROOT = Path(__file__).parents[2]
CORPORA = Path(os.environ.get("CITYSOC_CORPORA", ROOT.parent / "shared" / "corpora")) / "anomaly"
WINDOW, HOUR = 900.0, 3600.0
STEPLESS = frozenset({"-", "dnsteal"})

Place = tuple[str, float]
"""A host and the start of its window."""


class Truth(NamedTuple):
    """What a network's labels say."""

    steps: dict[Place, set[str]]
    ignored: set[Place]
    """Neither right nor wrong: the exfiltration that runs all the time, phases without a step."""
    days: set[int]

    @property
    def pairs(self) -> set[tuple[str, str]]:
        return {(host, step) for (host, _), steps in self.steps.items() for step in steps}

    @property
    def benign_days(self) -> set[int]:
        return self.days - {int(start // DAY) for _, start in self.steps}


class Found(NamedTuple):
    """What the flagged windows of all networks amount to; alerts are distinct host-hours."""

    pairs: int = 0
    all: int = 0
    right: int = 0
    wrong: int = 0
    wrong_benign: int = 0
    benign_days: int = 0

    def __add__(self, other: "Found") -> "Found":  # type: ignore[override]
        return Found(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def __str__(self) -> str:
        false = self.wrong_benign / max(1, self.benign_days)
        precision = self.right / max(1, self.right + self.wrong)
        return f"{self.pairs}/{self.all} pairs, {false:.2f} false a benign day, {precision:.2f}"


def rows(tenant: str) -> Iterator[dict[str, str]]:
    with gzip.open(CORPORA / "ait" / f"{tenant}.csv.gz", "rt") as lines:
        yield from csv.DictReader(lines)


def truth(tenant: str) -> Truth:
    found = Truth({}, set(), set())
    for row in rows(tenant):
        start = float(row["time"]) // WINDOW * WINDOW
        place, step = (row["host"], start), row["event_label"]
        found.days.add(int(start // DAY))
        if step not in STEPLESS:
            found.steps.setdefault(place, set()).add(step)
        elif step == "dnsteal" or row["time_label"] != "false_positive":
            found.ignored.add(place)
    return found


def judge(flagged: set[Place], labels: Truth) -> Found:
    pairs = {(place[0], step) for place in flagged for step in labels.steps.get(place, ())}
    right, wrong = set(), set()
    for host, start in flagged:
        if (host, start) in labels.steps:
            right.add((host, int(start // HOUR)))
        elif (host, start) not in labels.ignored:
            wrong.add((host, int(start // HOUR)))
    wrong -= right
    benign = [hour for _, hour in wrong if hour // 24 in labels.benign_days]
    return Found(
        len(pairs), len(labels.pairs), len(right), len(wrong), len(benign), len(labels.benign_days)
    )
