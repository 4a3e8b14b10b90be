"""Plain detectors beside the anomaly model: three lines of code, and two on raw counts."""

from collections.abc import Callable

import numpy as np
from pyod.models.ecod import ECOD
from sklearn.ensemble import IsolationForest

from detection.anomaly.state import DAY
from tests.bench.anomaly_truth import HOUR, WINDOW, Place, rows

Detector = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Fitted to the first rows, scores the second."""


def three_lines(tenant: str, kinds: int = 2) -> set[Place]:
    """A host's 15 minutes, after the first day, with two kinds of alert never seen on it."""
    shown: dict[Place, set[str]] = {}
    for row in rows(tenant):
        start = float(row["time"]) // WINDOW * WINDOW
        shown.setdefault((row["host"], start), set()).add(row["short"])
    first, seen, flagged = min(start for _, start in shown), dict[str, set[str]](), set()
    for host, start in sorted(shown, key=lambda place: place[1]):
        known = seen.setdefault(host, set())
        if len(shown[host, start] - known) >= kinds and start >= first + DAY:
            flagged.add((host, start))
        known |= shown[host, start]
    return flagged


def forest(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    grown = IsolationForest(n_estimators=100, random_state=0).fit(before)
    return np.concatenate([-grown.score_samples(before), -grown.score_samples(after)])


def ecod(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return np.asarray(ECOD().fit(before).decision_function(np.concatenate([before, after])))


def raw_counts(tenant: str, detector: Detector, budget: float) -> set[Place]:
    """A detector on counts of each kind, refitted nightly; the budget-th best a day alerts."""
    counts: dict[Place, dict[str, int]] = {}
    for row in rows(tenant):
        place = row["host"], float(row["time"]) // WINDOW * WINDOW
        of = counts.setdefault(place, {})
        of[row["short"]] = of.get(row["short"], 0) + 1
    places = sorted(counts, key=lambda place: (place[1], place[0]))
    first, flagged = int(places[0][1] // DAY), set()
    for day in range(first + 1, int(places[-1][1] // DAY) + 1):
        before = [place for place in places if place[1] // DAY < day]
        today = [place for place in places if place[1] // DAY == day]
        kinds = sorted({kind for place in before for kind in counts[place]})
        matrix = np.asarray(
            [[counts[place].get(kind, 0) for kind in kinds] for place in before + today], float
        )
        scores = detector(matrix[: len(before)], matrix[len(before) :])
        hours: dict[tuple[str, int], float] = {}
        for place, score in zip(before, scores, strict=False):
            hour = place[0], int(place[1] // HOUR)
            hours[hour] = max(score, hours.get(hour, score))
        allowed = min(len(hours) - 1, int(budget * (day - first)))
        threshold = sorted(hours.values(), reverse=True)[allowed]
        flagged |= {
            place
            for place, score in zip(today, scores[len(before) :], strict=True)
            if score > threshold
        }
    return flagged
