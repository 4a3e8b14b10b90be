"""How a profile's budget is split over the views: moved nightly by how right each has been."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from detection.anomaly.state import DAY
from detection.anomaly.views import VIEWS, View

HALF_LIFE: Final = 60.0
"""Days after which a verdict counts half."""
CREDIT: Final = 5.0
"""Verdicts that every view is taken to have had already, as right as all views together."""
FARTHEST: Final = 2.0
"""A share is at most doubled or halved before all are brought to the same sum again."""
MOST: Final = 1_000
"""Verdicts that are remembered."""


class Heard(msgspec.Struct, frozen=True, array_like=True):
    """What people said of an alert that a view raised."""

    view: View
    attack: bool
    at: float
    """When it began, Unix seconds."""


def moved(shares: Sequence[float], verdicts: Iterable[Heard], now: float) -> list[float]:
    """The shares in the order of VIEWS, more for views whose alerts were attacks; same sum."""
    right: dict[View, float] = defaultdict(float)
    told: dict[View, float] = defaultdict(float)
    for each in verdicts:
        weight = 0.5 ** (max(0.0, now - each.at) / DAY / HALF_LIFE)
        told[each.view] += weight
        right[each.view] += weight * each.attack
    all_told = sum(told.values())
    if not all_told:
        return list(shares)
    common = (sum(right.values()) + 1.0) / (all_told + 2.0)
    by_view = [(right[view] + CREDIT * common) / (told[view] + CREDIT) for view in VIEWS]
    wanted = [
        share * min(FARTHEST, max(1.0 / FARTHEST, precision / common))
        for share, precision in zip(shares, by_view, strict=True)
    ]
    whole = sum(shares) / sum(wanted)
    return [share * whole for share in wanted]
