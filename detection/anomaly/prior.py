"""What ordinary days elsewhere lend to an organisation's first: what is common, and how spread."""

# Each organisation that contributes has habits, digests and numbers in its own folder. What is lent
# is made of the habits of at least FEWEST others, never of the borrower's own, and holds only what
# FEWEST of them have in common: values that so many show, scores that so many reach, means of all,
# in two digits. So nothing in it stands for one organisation.

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import fmean
from typing import Final, TypeVar

import msgspec
import numpy as np

from detection.anomaly.model import Model, Past, Scores, combined, limits
from detection.anomaly.profile import MAX_FACETS, Profile, schema
from detection.anomaly.state import DAY, State
from detection.anomaly.tail import Tail
from detection.anomaly.views import VIEWS, View, scores

FEWEST: Final = 3
"""Organisations that must have something in common before it is lent to another."""
MOST: Final = 4_096
"""Values of a facet that are kept in habits and lent, those of most entities first."""
KNOWN: Final = 0.3
"""What is left of the surprise of a value that is new to an entity, where others show it."""
MATURE: Final = 1.5 * DAY
"""Seconds of history before an organisation has habits to lend."""
LENT: Final[frozenset[View]] = frozenset({"novelty", "identity", "volume"})
"""Views that mean the same everywhere; the others need the borrower's own past."""
Kind = TypeVar("Kind", "Habits", "Prior")

POINTS: Final = 512
"""Points of a tail that are lent."""


class Habits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one organisation would lend of one profile. Numbers and digests only."""

    v: int = 1
    schema: str
    """Of the profile: other facets, other habits."""
    made: float
    """Up to when they were learned, Unix seconds."""
    windows: int
    """How many they were learned from."""
    per_day: float
    """Windows a day."""
    facets: list[dict[int, int]]
    """Per facet, by a value's digest, how many entities remember it."""
    views: list[Tail]
    """How the views' scores are spread; no points for those that are not lent."""


class Common(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a facet."""

    keys: list[int]
    """Digests of the values that at least FEWEST organisations show, sorted."""
    share: float
    """How much of what an entity shows is usually among them, 0 to 1."""


class Prior(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is lent for one profile."""

    v: int = 1
    version: str
    """The day that it was learned up to, and a digest of it."""
    windows: int
    per_day: float
    facets: list[Common]
    views: list[Tail]


def habits_of(state: State, past: Sequence[Past], model: Model, profile: Profile) -> Habits | None:
    """What could be lent tonight; None before there has been enough to call it habits.

    `model` is tonight's of this past, fitted without the first day and what was far from usual.
    """
    if not profile.timed or not past or model.made - state.first < MATURE:
        return None
    facets = []
    for known in state.known:
        held = [(key, round(value.holders)) for key, value in known.items() if value.holders >= 1]
        held.sort(key=lambda item: (-item[1], item[0]))
        facets.append(dict(sorted(held[:MOST])))
    return Habits(
        schema=schema(profile),
        made=model.made,
        windows=model.windows,
        per_day=float(sum(each.end > past[-1].end - DAY for each in past)),
        facets=facets,
        views=[
            tail if view in LENT else Tail([], [])
            for view, tail in zip(VIEWS, model.views, strict=True)
        ],
    )


def lend(habits: Sequence[Habits]) -> Prior | None:
    """What these organisations have in common; None where they are fewer than FEWEST.

    Who borrows it must not be among them. All of one schema; their order does not matter.
    """
    if len(habits) < FEWEST:
        return None
    habits = sorted(habits, key=encode)
    made = Prior(
        version="",
        windows=_round(sum(each.windows for each in habits)),
        per_day=float(_round(fmean(each.per_day for each in habits))),
        facets=[_common([each.facets[index] for each in habits]) for index in _facets(habits)],
        views=[_together([each.views[index] for each in habits]) for index in range(len(VIEWS))],
    )
    day = datetime.fromtimestamp(max(each.made for each in habits), UTC)
    digest = hashlib.blake2b(msgspec.msgpack.encode(made), digest_size=6).hexdigest()
    return msgspec.structs.replace(made, version=f"{day:%Y%m%d}-{digest}")


class Borrowed:
    """What was lent, at work in a first day."""

    def __init__(self, prior: Prior) -> None:
        self.prior = prior
        self._facets = [(frozenset(each.keys), each.share) for each in prior.facets]

    def weigh(self, facet: int, key: int) -> float:
        """How much of the surprise of a value that is new to an entity is believed, 0 to 1.

        A value that others show too surprises little; one that they do not, as much as this
        facet's values are common: where every organisation has names of its own, not at all.
        """
        keys, share = self._facets[facet]
        return KNOWN * share if key in keys else share

    def score(
        self, batch: Sequence[Past], shares: Sequence[float], budget: float, per_day: float
    ) -> Scores:
        """Look at windows of a first day; `per_day` is how many of them a day is likely to have."""
        rows = np.asarray([each.features for each in batch], dtype=np.float64)
        raw = scores(rows, len(self._facets))
        p = np.column_stack(
            [tail.survival(column) for tail, column in zip(self.prior.views, raw.T, strict=True)]
        )
        least = limits(budget, shares, max(per_day, self.prior.per_day))
        margin = np.log10(np.asarray(least)) - np.log10(p)
        return Scores(raw, p, margin, combined(p, shares))


def encode(what: Habits | Prior) -> bytes:
    """As it stands on disk; the same habits are the same bytes."""
    return msgspec.json.encode(what)


def decode_habits(data: bytes) -> Habits:
    """Undo encode. Raises ValueError for anything else."""
    found = _decoded(data, Habits)
    bounded = len(found.views) == len(VIEWS) and len(found.facets) <= MAX_FACETS
    if not bounded or any(len(each) > MOST for each in found.facets):
        raise ValueError(f"expected habits of {len(VIEWS)} views, {MOST} values a facet at most")
    return found


def decode_prior(data: bytes) -> Prior:
    """Undo encode. Raises ValueError for anything else."""
    found = _decoded(data, Prior)
    if len(found.views) != len(VIEWS) or len(found.facets) > MAX_FACETS:
        raise ValueError(f"expected what was lent for {len(VIEWS)} views")
    return found


def _decoded(data: bytes, kind: type[Kind]) -> Kind:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"expected {kind.__name__.lower()}: {error}") from error


def _facets(habits: Sequence[Habits]) -> range:
    return range(len(habits[0].facets))


def _common(facets: Sequence[dict[int, int]]) -> Common:
    """The values that FEWEST show, those of most organisations first where they are too many."""
    shown = Counter(key for each in facets for key in each)
    kept = sorted(
        (key for key in shown if shown[key] >= FEWEST), key=lambda key: (-shown[key], key)
    )
    keys = set(kept[:MOST])
    shares = [
        sum(holders for key, holders in each.items() if key in keys) / sum(each.values())
        for each in facets
        if each
    ]
    return Common(sorted(keys), round(fmean(shares) * 20) / 20 if shares else 0.0)


def _together(tails: Sequence[Tail]) -> Tail:
    """Their mean; its last point is one that FEWEST of them reach, then their mean law goes on."""
    if not all(each.points for each in tails):
        return Tail([], [])
    top = round(sorted((each.points[-1] for each in tails), reverse=True)[FEWEST - 1], 2)
    found = np.unique(np.round(np.concatenate([each.points for each in tails]), 2))
    points = found[found <= top]
    points = points[np.unique(np.linspace(0, len(points) - 1, POINTS).astype(int))]
    # one step beyond the last point is where the law begins
    beyond = np.append(points, points[-1] + 0.01)
    *above, least = np.mean([each.survival(beyond) for each in tails], axis=0).tolist()
    return Tail(
        points.tolist(),
        [_digits(each) for each in above],
        _digits(least),
        round(fmean(each.shape for each in tails), 1),
        _digits(fmean(each.scale for each in tails)),
    )


def _round(number: float) -> int:
    return int(_digits(number))


def _digits(number: float) -> float:
    """Two digits that count, so that nobody's own number can be worked out."""
    return float(f"{number:.2g}")
