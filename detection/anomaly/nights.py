"""What becomes of a model that was fitted at night: compared with yesterday's, then live or not."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from detection.anomaly.model import Model, Past, Scorer
from detection.anomaly.prior import Habits
from detection.anomaly.state import DAY

PATIENCE: Final = 3
"""Nights in a row on which a model may be refused; then habits have changed, and it goes live."""
TIMES: Final = 2.0
"""How many times more or fewer windows it may find unusual than yesterday's."""
SPARE: Final = 5
"""Windows that are never too many more."""
AGREEMENT: Final = 0.3
"""Least rank correlation of what both make of the last day."""


class Compared(msgspec.Struct, frozen=True):
    """Tonight's model beside yesterday's, on the windows of the last day."""

    before: int
    """Windows that yesterday's finds unusual."""
    tonight: int
    agreement: float
    """Spearman's rank correlation of what both say."""

    @property
    def sound(self) -> bool:
        """Whether it is what one more day explains."""
        few, many = sorted((self.before, self.tonight))
        return many <= few * TIMES + SPARE and self.agreement >= AGREEMENT


class Fitted(msgspec.Struct, frozen=True):
    """A model that was fitted, for the shelf."""

    profile: str
    version: str
    model: Model
    compared: Compared | None
    live: bool
    habits: Habits | None = None
    """What could be lent to others' first day."""


class Nights(msgspec.Struct):
    """What is known of a profile's models."""

    version: str = ""
    """Of the model in force."""
    refused: int = 0
    held: bool = False
    """Whether somebody rolled back: then it stays until they let go."""

    def hold(self, model: Model) -> None:
        """Stay with a model that an operator went back to."""
        self.version, self.held = version_of(model), True

    def release(self) -> None:
        """Let the next night's model go live, however unlike the one that was held."""
        self.held, self.refused = False, PATIENCE

    def accept(
        self,
        tonight: Model,
        before: Model | None,
        past: Sequence[Past],
        *,
        incident: bool,
        fitted: Callable[[str, Compared | None, bool], None],
    ) -> Model:
        """The model that goes on: tonight's, unless it is unsound, or thresholds must not move."""
        version = version_of(tonight)
        compared = None if before is None else compare(tonight, before, past)
        patient = self.refused < PATIENCE
        unsound = compared is not None and not compared.sound and patient
        live = before is None or not (self.held or incident or unsound)
        fitted(version, compared, live)
        if not live and before is not None:
            self.refused += unsound
            return before
        self.version, self.refused = version, 0
        return tonight


def version_of(model: Model) -> str:
    """`20261124-0a1b2c3d4e5f`: the day it was learned up to, and what is in it."""
    return f"{datetime.fromtimestamp(model.made, UTC):%Y%m%d}-{model.version}"


def compare(tonight: Model, before: Model, past: Sequence[Past]) -> Compared:
    """Let both judge the last day."""
    latest = [each for each in past if each.end > past[-1].end - DAY]
    mine = Scorer(tonight).score(latest).margin.max(axis=1)
    theirs = Scorer(before).score(latest).margin.max(axis=1)
    agreement = _spearman(mine, theirs)
    return Compared(int((theirs >= 0).sum()), int((mine >= 0).sum()), round(agreement, 4))


def _spearman(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    first, second = (each - each.mean() for each in (_ranks(one), _ranks(other)))
    length = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / length if length else 1.0


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 0, equal values sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    means: NDArray[np.float64] = (ends - (counts + 1) / 2.0)[inverse]
    return means
