"""What is usual for a tenant, fitted to its past each night: tails, a forest, thresholds."""

import hashlib
import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detection.anomaly import forest as forests
from detection.anomaly import tail as tails
from detection.anomaly.features import PER_WINDOW
from detection.anomaly.forest import Forest, Walker
from detection.anomaly.profile import Profile
from detection.anomaly.state import DAY
from detection.anomaly.tail import Tail
from detection.anomaly.views import HEAVIEST, NARROWEST, STANDING, VIEWS, View, scores

Floats = NDArray[np.float64]

LONGEST: Final = 14 * DAY
MOST: Final = 20_000
FEWEST: Final = 50
"""Windows without which no model is fitted."""
WARM_UP: Final = DAY
QUIET: Final = 0.15
"""Share of the budget that ordinary days may use up; the rest is kept for incidents."""
FAR: Final = 1.0
"""Decades past a threshold from which a window is no part of the reference."""
UNTIMED: Final = 0.0055
"""Share of the windows that may alert where windows have no time and days can't be counted."""
STRICT: Final = 0.01
"""No view alerts at more than this share of the windows, however large the budget."""
FOREST: Final = VIEWS.index("forest")
HOUR: Final = PER_WINDOW.index("hour") - len(PER_WINDOW)
LONE: Final = VIEWS.index("population")
OF_ITSELF: Final[frozenset[View]] = frozenset({"novelty", "population", "identity"})
"""Views that compare an entity with itself; they say nothing of a stranger."""
TOP: Final = 64


class Past(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A window that was scored."""

    end: float
    entity: str
    features: Sequence[float]
    margin: float = -1.0
    """Decades by which the strongest view was past its threshold when it was scored."""
    age: float = 1.0
    """Windows of its entity that were known then, 0 for a stranger."""


class Model(msgspec.Struct, frozen=True):
    """Plain numbers only."""

    version: str
    made: float
    """The time of the log that it was fitted at, Unix seconds."""
    windows: int
    facets: int
    features: list[Tail]
    forest: Forest
    views: list[Tail]
    """Of windows of entities that were known; then of those of strangers."""
    strangers: list[Tail]
    shares: list[float]
    thresholds: list[float]
    """For each view, the p-value from which it alerts."""
    lone: dict[str, float]
    """The entities with the highest population score, and how high."""
    highest: Tail
    """How high all of them go."""
    peers: int
    """How high the highest of the views' margins goes."""


class Scores(NamedTuple):
    """A batch of windows as the views see it; a row a window, a column a view."""

    raw: Floats
    p: Floats
    margin: Floats
    """Decades by which each view is past its threshold; an alert from 0 on."""
    combined: Floats
    """The least p-value for its share of the budget (Bonferroni's bound, weighted)."""


def fit(
    past: Sequence[Past], profile: Profile, budget: float, shares: Sequence[float]
) -> Model | None:
    """A model of the windows so far, in order of time; None while there are too few."""
    reference = _reference(past, profile)
    if len(reference) < FEWEST:
        return None
    rows = np.asarray([each.features for each in reference], dtype=np.float64)
    facets = len(profile.facets)
    features = [tails.fit(column) for column in rows.T]
    forest, apart = forests.fit(_surprises(rows, features))
    raw = scores(_comparable(rows, features), facets)
    raw[:, FOREST] = apart
    known = np.asarray([each.age > 0.0 for each in reference])
    lone = _highest(reference, raw[:, LONE])
    entities = len({each.entity for each in reference})
    days = (reference[-1].end - reference[0].end + (profile.window or 0.0)) / DAY
    made = Model(
        version="",
        made=reference[-1].end,
        windows=len(reference),
        facets=facets,
        features=features,
        forest=forest,
        views=_views(raw[known], profile),
        strangers=_of_strangers(raw if (~known).sum() < FEWEST else raw[~known], profile),
        shares=list(shares),
        thresholds=_thresholds(profile, budget, shares, len(reference), entities, days),
        lone=dict(sorted(lone.items(), key=lambda item: (-item[1], item[0]))[:TOP]),
        highest=tails.fit(list(lone.values())),
        peers=entities - 1,
    )
    digest = hashlib.blake2b(msgspec.msgpack.encode(made), digest_size=6).hexdigest()
    return msgspec.structs.replace(made, version=digest)


class Scorer:
    """A model ready to score."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._walker = Walker(model.forest)

    def score(self, batch: Sequence[Past]) -> Scores:
        """Look at windows that the model has not seen."""
        rows = np.asarray([each.features for each in batch], dtype=np.float64)
        raw = _raw(rows, self.model.features, self._walker, self.model.facets)
        p = _p(self.model, batch, raw)
        margin = np.log10(np.asarray(self.model.thresholds)) - np.log10(p)
        return Scores(raw, p, margin, combined(p, self.model.shares))


def combined(p: Floats, shares: Sequence[float]) -> Floats:
    """What a row of p-values, one a view, amounts to."""
    least: Floats = np.minimum(1.0, (p / np.asarray(shares)).min(axis=1))
    return least


def limits(budget: float, shares: Sequence[float], per_day: float) -> list[float]:
    """Each view's share of what ordinary days may cost, as a p-value of their windows."""
    return [min(STRICT, QUIET * budget * share / per_day) for share in shares]


def _reference(past: Sequence[Past], profile: Profile) -> Sequence[Past]:
    """Without the first day, in which all is new; of a shorter history its latter half."""
    past = [each for each in past if each.margin < FAR]
    if not past:
        return past
    if profile.timed:
        first, last = past[0].end, past[-1].end
        begin = max(first + min(WARM_UP, (last - first) / 2), last - LONGEST)
        kept = [each for each in past if each.end >= begin]
    else:
        kept = list(past[len(past) // 2 :])
    step = -(-len(kept) // MOST)
    return kept[::step] if step > 1 else kept


def _surprises(rows: Floats, features: Sequence[Tail]) -> Floats:
    columns = [
        -np.log10(tail.survival(column)) for tail, column in zip(features, rows.T, strict=True)
    ]
    return np.column_stack(columns)


def _comparable(rows: Floats, features: Sequence[Tail]) -> Floats:
    """Without the hour where the reference is of a first day, to which every hour was new."""
    if len(features[HOUR].points) > 1:
        return rows
    rows = rows.copy()
    rows[:, HOUR] = 0.0
    return rows


def _views(raw: Floats, profile: Profile) -> list[Tail]:
    return [
        tails.fit(column, heaviest=heaviest, narrowest=narrowest)
        for column, heaviest, narrowest in zip(
            raw.T, HEAVIEST[profile.kind], NARROWEST, strict=True
        )
    ]


def _of_strangers(raw: Floats, profile: Profile) -> list[Tail]:
    return [
        Tail([], []) if view in OF_ITSELF else tail
        for view, tail in zip(VIEWS, _views(raw, profile), strict=True)
    ]


def _raw(rows: Floats, features: Sequence[Tail], walker: Walker, facets: int) -> Floats:
    raw = scores(_comparable(rows, features), facets)
    raw[:, FOREST] = walker.score(_surprises(rows, features))
    return raw


def _highest(reference: Sequence[Past], lone: Floats) -> dict[str, float]:
    best: dict[str, float] = {}
    for each, score in zip(reference, lone.tolist(), strict=True):
        best[each.entity] = max(score, best.get(each.entity, 0.0))
    return best


def _thresholds(
    profile: Profile,
    budget: float,
    shares: Sequence[float],
    windows: int,
    entities: int,
    days: float,
) -> list[float]:
    """Each view's share of what ordinary days may cost, as a p-value."""
    if not profile.timed:
        return [UNTIMED * share for share in shares]
    by_day = limits(budget, shares, windows / max(days, 1e-9))
    return [
        min(STRICT, budget * share / entities) if view in STANDING else limit
        for view, share, limit in zip(VIEWS, shares, by_day, strict=True)
    ]


def _p(model: Model, batch: Sequence[Past], raw: Floats) -> Floats:
    known = np.asarray([each.age > 0.0 for each in batch])
    p = np.ones_like(raw)
    for of, views in ((known, model.views), (~known, model.strangers)):
        for view, tail in enumerate(views):
            p[of, view] = tail.survival(raw[of, view])
    usual = model.highest.survival(raw[:, LONE])
    p[:, LONE] = [
        _lone(model, each.entity, score, rare)
        for each, score, rare in zip(batch, raw[:, LONE].tolist(), usual.tolist(), strict=True)
    ]
    return p


def _lone(model: Model, entity: str, score: float, usual: float) -> float:
    """Share of the other entities that ever scored as high, and less beyond the highest."""
    if not model.lone or score <= next(reversed(model.lone.values())):
        return usual
    others = [other for name, other in model.lone.items() if name != entity]
    if not others or score <= others[-1]:
        return usual
    above = sum(other >= score for other in others)
    p = (above + 1.0) / (model.peers + 1.0)
    spread = sum(others) / len(others) - others[-1]
    return (
        p
        if above or len(others) < TOP - 1 or spread <= 0.0
        else p * math.exp(-(score - others[0]) / spread)
    )
