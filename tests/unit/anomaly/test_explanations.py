"""What is said to be unusual is what makes the score: by deletion, and beside TreeSHAP."""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.ensemble import IsolationForest

from detection.anomaly import forest as forests
from detection.anomaly import tail as tails
from detection.anomaly.forest import SAMPLES, TREES, Walker
from detection.anomaly.window import ARROW
from tests.lifts import ATTACK, COMMON, at_hour, burst, judged, ordinary

Floats = NDArray[np.float64]
FEATURES, REFERENCE, ODD, NAMED = 16, 2_000, 40, 3


class Made(NamedTuple):
    """A reference, windows that are odd in a few features, and two forests of one seed."""

    walker: Walker
    theirs: IsolationForest
    reference: Floats
    """Decades of surprise, a row a window, as `odd` is."""
    odd: Floats


@pytest.fixture(scope="module")
def made() -> Made:
    chance = np.random.default_rng(5)
    # like the model's features: of one sign, skewed, and often nothing at all
    shown = chance.random((REFERENCE + ODD, FEATURES)) < 0.5
    values = shown * chance.exponential(size=(REFERENCE + ODD, FEATURES))
    usual, odd = values[:REFERENCE], values[REFERENCE:]
    for row in odd:
        places = chance.choice(FEATURES, size=chance.integers(2, 6), replace=False)
        row[places] += chance.uniform(5, 12, size=len(places))
    each = [tails.fit(column, narrowest=1.0) for column in usual.T]

    def surprises(rows: Floats) -> Floats:
        columns = [-np.log10(tail.survival(rows[:, at])) for at, tail in enumerate(each)]
        return np.column_stack(columns)

    reference = surprises(usual)
    theirs = IsolationForest(n_estimators=TREES, max_samples=SAMPLES, random_state=0)
    theirs.fit(reference.astype(np.float32))
    return Made(Walker(forests.fit(reference)[0]), theirs, reference, surprises(odd))


def removed(made: Made, order: Floats) -> float:
    """Share of the excess score that goes with the features that `order` puts first in each row."""
    usual, score = np.median(made.reference, axis=0), made.walker.score
    without = made.odd.copy()
    for row, places in zip(without, np.argsort(-order, axis=1)[:, :NAMED], strict=True):
        row[places] = usual[places]
    excess = score(made.odd) - score(made.reference).mean()
    return float(((score(made.odd) - score(without)) / excess).mean())


@pytest.fixture(scope="module")
def by_shap(made: Made) -> Floats:
    """How much each feature of the odd windows shortens their paths."""
    rows = made.odd.astype(np.float32)
    import shap  # takes seconds, in each worker

    return -np.asarray(shap.TreeExplainer(made.theirs).shap_values(rows), dtype=np.float64)


def test_our_walk_through_the_trees_scores_as_scikit_learn_does(made: Made) -> None:
    ours = made.walker.score(made.odd.astype(np.float32).astype(np.float64))

    assert np.allclose(ours, -made.theirs.score_samples(made.odd.astype(np.float32)), atol=1e-9)


def test_features_far_in_their_tails_are_those_that_shap_finds(made: Made, by_shap: Floats) -> None:
    agreement = [
        spearmanr(tail, shapley).statistic for tail, shapley in zip(made.odd, by_shap, strict=True)
    ]

    assert float(np.mean(agreement)) > 0.8


def test_deleting_the_rarest_features_takes_as_much_away_as_deleting_those_of_shap(
    made: Made, by_shap: Floats
) -> None:
    chance = np.random.default_rng(1).random(made.odd.shape)

    ours, theirs, random = (removed(made, order) for order in (made.odd, by_shap, chance))

    assert ours > theirs - 0.05
    assert ours > 2 * random


def test_without_what_a_sentence_names_the_window_is_less_unusual(tmp_path: Path) -> None:
    # what the others do is new for this host too, but less astonishing
    history = [each for each in ordinary(4) if (each["host"], each["kind"]) != ("lift-03", "lower")]
    attack = burst(3.7, 3, "lower", *ATTACK)
    at, name = attack[0]["time"] // 3600, attack[0]["host"]
    whole = at_hour(judged(tmp_path, history + attack), 3.7, 3)
    [said] = [each for each in whole.reasons if each.view == "novelty"]

    def without(gone: Collection[str]) -> float:
        left = [
            each
            for each in history + attack
            if (each["time"] // 3600, each["host"]) != (at, name) or each["kind"] not in gone
        ]
        return at_hour(judged(tmp_path, left), 3.7, 3).raw["novelty"]

    named = set(said.value.split(ARROW))
    assert named & set(ATTACK)
    assert without(ATTACK) < without(named) < whole.raw["novelty"]
    assert without(named) < without(COMMON)
