"""Five ways of being unusual, each one number a window, and their shares of the budget."""

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from detection.anomaly.features import PER_FACET, PER_WINDOW
from detection.anomaly.profile import Kind

Floats = NDArray[np.float64]
View = Literal["novelty", "population", "identity", "volume", "forest"]

VIEWS: Final[tuple[View, ...]] = ("novelty", "population", "identity", "volume", "forest")
STANDING: Final[frozenset[View]] = frozenset({"population"})
"""Views of what goes on for days: an entity is one alert there, not one an hour."""
HEAVIEST: Final[dict[Kind, tuple[float, ...]]] = {
    "host": (0.0, 0.0, 0.5, 0.5, 0.0),
    "user": (0.5, 0.0, 0.5, 0.5, 0.0),
    "address": (0.5, 0.0, 0.5, 0.5, 0.0),
}
"""Shape of each view's tail at most; a host with a fixed role shows new things one by one, users
and addresses show them in bursts."""
NARROWEST: Final = (1.0, 1.0, 0.2, 1.0, 0.02)
"""Least scale of a tail: one new value, a size of one deviation more are never astonishing."""
SHARES: Final[dict[Kind, tuple[float, ...]]] = {
    "host": (0.60, 0.20, 0.01, 0.04, 0.15),
    "user": (0.10, 0.10, 0.70, 0.05, 0.05),
    "address": (0.25, 0.60, 0.01, 0.04, 0.10),
}


def scores(rows: Floats, facets: int) -> Floats:
    """The views of each row of features, forest left 0."""
    each = rows[:, : facets * len(PER_FACET)].reshape(len(rows), facets, len(PER_FACET))
    rest = rows[:, facets * len(PER_FACET) :]
    column = PER_FACET.index
    size, hour = rest[:, :2], rest[:, PER_WINDOW.index("hour")]
    return np.column_stack(
        [
            each[:, :, column("new")].sum(axis=1),
            each[:, :, column("lone")].sum(axis=1),
            each[:, :, column("ratio")].sum(axis=1),
            np.maximum(size, 0.0).sum(axis=1) + np.maximum(hour, 0.0),
            np.zeros(len(rows)),
        ]
    )
