"""Learns from verdicts which groups of alerts are worth a look first; it orders and never hides."""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # scikit-learn takes seconds to load; only who learns waits for it
    from sklearn.ensemble import HistGradientBoostingClassifier

Floats = NDArray[np.float64]

ENOUGH_POSITIVES: Final = 50
"""From here on trees learn; below, a straight line is safer."""
WEAK: Final = 0.1
"""Weight of a group that nobody judged, taken for harmless."""
MOST: Final = 0.4
"""The share of all weight that one analyst or one tenant may have, so that no one decides alone."""
WORTH_LEARNING: Final = 2
"""Verdicts of each kind without which there is nothing to learn yet."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group of alerts as it may be learned from: rates and rule ids, and digests of the rest."""

    tenant: str
    """`digest` of the tenant, so is `entity`; only to remember by, never a feature."""
    entity: str
    rule: str
    rates: tuple[float, ...]
    """Surprises and tails, all groups' in the same order."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What a person said of a group."""

    group: Group
    attack: bool
    analyst: str
    """`digest` of the person."""


def digest(key: bytes, *names: str) -> str:
    """What stands for a name where none may be seen; without the key it says nothing."""
    text = "\x00".join(names).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=8, key=key[:64]).hexdigest()


class Memory:
    """How often which rule was an attack and how often not: at all, in a tenant, on an entity."""

    def __init__(self, counts: Mapping[str, tuple[int, int]] | None = None) -> None:
        self.counts = dict(counts or {})

    def rates(self, group: Group) -> list[float]:
        """Two numbers a level: the log-odds of an attack so far, and how much stands behind it."""
        found: list[float] = []
        for key in _keys(group):
            attacks, harmless = self.counts.get(key, (0, 0))
            found += [math.log((attacks + 0.5) / (harmless + 0.5)), math.log1p(attacks + harmless)]
        return found

    def learn(self, judged: Judged) -> None:
        """Count one verdict."""
        for key in _keys(judged.group):
            attacks, harmless = self.counts.get(key, (0, 0))
            more = (attacks + 1, harmless) if judged.attack else (attacks, harmless + 1)
            self.counts[key] = more

    def forget(self, tenant: str) -> None:
        """Forget what stands under the digest of a tenant."""
        for key in [key for key in self.counts if key.split("/")[0] == tenant]:
            del self.counts[key]


class Line(NamedTuple):
    """A logistic regression as plain arrays."""

    centre: Floats
    scale: Floats
    weights: Floats
    intercept: float

    def odds(self, rows: Floats) -> Floats:
        """Log-odds of an attack, a row each."""
        return ((rows - self.centre) / self.scale) @ self.weights + self.intercept


class Trees(NamedTuple):
    """Gradient-boosted trees over binned rates."""

    classifier: "HistGradientBoostingClassifier"

    def odds(self, rows: Floats) -> Floats:
        """Log-odds of an attack, a row each."""
        found: Floats = self.classifier.decision_function(rows)
        return found


class Ranking(NamedTuple):
    """What has been learned from all tenants' verdicts so far."""

    memory: Memory
    model: Line | Trees | None
    """None until there are verdicts of both kinds."""

    def odds(self, groups: Sequence[Group]) -> Floats:
        """How much likelier than not each group is an attack; 0 for all while nothing is known."""
        if self.model is None or not groups:
            return np.zeros(len(groups))
        return self.model.odds(np.array([_row(each, self.memory) for each in groups]))


NOTHING_LEARNED: Final = Ranking(Memory(), None)


def learn(judged: Sequence[Judged], unseen: Sequence[Group] = ()) -> Ranking:
    """A ranking from verdicts in the order they were given, and groups that nobody looked at.

    Each verdict is learned with the memory of those before it only, as it will be used.
    """
    memory = Memory()
    rows: list[list[float]] = []
    for each in judged:
        rows.append(_row(each.group, memory))
        memory.learn(each)
    attacks = sum(each.attack for each in judged)
    if min(attacks, len(judged) - attacks) < WORTH_LEARNING:
        return Ranking(memory, None)
    rows += [_row(each, memory) for each in unseen]
    labels = np.array([each.attack for each in judged] + [False] * len(unseen))
    weights = np.concatenate([_weights(judged), np.full(len(unseen), WEAK)])
    return Ranking(memory, _fit(np.array(rows), labels, weights, attacks))


def _fit(rows: Floats, labels: NDArray[np.bool_], weights: Floats, attacks: int) -> Line | Trees:
    if attacks >= ENOUGH_POSITIVES:
        from sklearn.ensemble import HistGradientBoostingClassifier

        trees = HistGradientBoostingClassifier(max_iter=80, max_leaf_nodes=8, random_state=0)
        return Trees(trees.fit(rows, labels, sample_weight=weights))
    from sklearn.linear_model import LogisticRegression

    centre, scale = rows.mean(axis=0), rows.std(axis=0)
    scale[scale == 0] = 1.0
    line = LogisticRegression(max_iter=1000).fit((rows - centre) / scale, labels, weights)
    return Line(centre, scale, line.coef_[0], float(line.intercept_[0]))


def _weights(judged: Sequence[Judged]) -> Floats:
    """One each, less where an analyst or a tenant would have more than MOST of the whole."""
    weights = np.ones(len(judged))
    for who in ([each.analyst for each in judged], [each.group.tenant for each in judged]):
        weights *= _capped(who, weights)
    return weights


def _capped(who: Sequence[str], weights: Floats) -> Floats:
    """A factor each. Of two, neither can be held to MOST, so both keep what they have."""
    total: dict[str, float] = {}
    for name, weight in zip(who, weights, strict=True):
        total[name] = total.get(name, 0.0) + weight
    cap = _cap(sorted(total.values(), reverse=True))
    return np.array([min(1.0, cap / total[name]) for name in who])


def _cap(totals: Sequence[float]) -> float:
    """The height at which the largest are cut so that none has more than MOST of what is left."""
    for cut in range(len(totals)):
        rest = sum(totals[cut:])
        if cut * MOST >= 1 or rest == 0:
            break
        cap = MOST * rest / (1 - MOST * cut)
        if totals[cut] <= cap:
            return cap if cut else math.inf
    return math.inf


def _row(group: Group, memory: Memory) -> list[float]:
    return [*group.rates, *memory.rates(group)]


def _keys(group: Group) -> Iterable[str]:
    """The rule at all (no tenant), in the tenant, on the entity."""
    return (
        f"/{group.rule}",
        f"{group.tenant}/{group.rule}",
        f"{group.tenant}/{group.entity}/{group.rule}",
    )
