"""How rare a value is: the share of a reference at least as large, and beyond its largest."""

from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

POINTS: Final = 256
"""Points of the reference that are kept."""
TOP: Final = 64
"""Largest values that are all kept."""
EXCESSES: Final = 0.05
"""Share of the reference that the tail beyond its largest value is fitted to."""
FEWEST: Final = 20
LIGHTEST: Final = -0.2
"""Shape at least; tails that end abruptly are not believed."""
LEAST: Final = 1e-9


class Tail(msgspec.Struct, frozen=True, array_like=True):
    """Survival function of one quantity, as plain numbers."""

    points: list[float]
    """Ascending values of the reference."""
    above: list[float]
    """For each point, the conformal probability of a value as large."""
    least: float = 1.0
    """Probability of what is just beyond the last point."""
    shape: float = 0.0
    scale: float = 0.0
    """Of the generalised Pareto law beyond the last point; scale 0 where it is not asked for."""

    def survival(self, values: Any) -> Floats:
        """P-values: with n windows in the reference never below 1 / (n + 1) within its range."""
        given = np.asarray(values, dtype=np.float64)
        if not self.points:
            return np.ones_like(given)
        points = np.asarray(self.points)
        place = np.searchsorted(points, given, side="left")
        above = np.append(np.asarray(self.above), self.least)
        p = above[np.minimum(place, len(points))]
        beyond = given > points[-1]
        if self.scale > 0 and bool(beyond.any()):
            excess = (given[beyond] - points[-1]) / self.scale
            if abs(self.shape) < 1e-6:
                factor = np.exp(-excess)
            else:
                factor = np.maximum(1.0 + self.shape * excess, 1e-12) ** (-1.0 / self.shape)
            p[beyond] = self.least * factor
        bounded: Floats = np.maximum(p, LEAST)
        return bounded


def fit(values: Any, *, heaviest: float = 0.0, narrowest: float = 0.0) -> Tail:
    """The tail of a reference; beyond its largest value a law of a shape up to `heaviest`.

    `narrowest` is the least scale of that law, for references in which all is alike; with 0 it is
    left out.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    count = len(ordered)
    if not count:
        return Tail([], [])
    places = np.unique(
        np.concatenate(
            [
                np.linspace(0, count - 1, min(count, POINTS)).astype(int),
                np.arange(max(0, count - TOP), count),
            ]
        )
    )
    points = ordered[places]
    points = np.unique(points)
    below = np.searchsorted(ordered, points, side="left")
    above = (count - below + 1.0) / (count + 1.0)
    shape, scale = _pareto(ordered, heaviest) if narrowest else (0.0, 0.0)
    # Where the largest values are all one, the next is rarer than they are.
    least = min(float(above[-1]), 2.0 / (count + 1.0))
    return Tail(points.tolist(), above.tolist(), least, shape, max(scale, narrowest))


def _pareto(ordered: Floats, heaviest: float) -> tuple[float, float]:
    """Shape and scale beyond the largest value, by moments of the excesses (Hosking 1987)."""
    number = max(FEWEST, int(len(ordered) * EXCESSES))
    if len(ordered) < 2 * number:
        return 0.0, 0.0
    threshold = ordered[-number - 1]
    excess = ordered[-number:] - threshold
    mean, variance = float(excess.mean()), float(excess.var())
    if mean <= 0 or variance <= 0:
        return 0.0, 0.0
    ratio = mean * mean / variance
    shape = min(heaviest, max(LIGHTEST, 0.5 * (1.0 - ratio)))
    scale = mean * (1.0 - shape)
    return shape, scale + shape * float(ordered[-1] - threshold)
