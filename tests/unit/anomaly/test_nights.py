"""Which of the nights' models go live: sound ones, none while an attack goes on or one is held."""

import math
import random

import msgspec
import pytest

from detection.anomaly.features import width
from detection.anomaly.library import library
from detection.anomaly.model import Model, Past, fit
from detection.anomaly.nights import PATIENCE, Compared, Nights, version_of
from detection.anomaly.state import DAY

PROFILE = next(each.profile for each in library() if each.profile.name == "windows_security")


def past(days: int, seed: int = 1) -> list[Past]:
    """Windows of ordinary days."""
    chance = random.Random(seed)
    count = width(len(PROFILE.facets))
    return [
        Past(
            DAY * day + 900.0 * quarter,
            f"ws-{host}",
            [abs(chance.gauss(0, 1)) for _ in range(count)],
        )
        for day in range(days)
        for quarter in range(96)
        for host in range(2)
    ]


@pytest.fixture(scope="module")
def models() -> tuple[Model, Model]:
    """Yesterday's and tonight's."""
    made = [fit(past(days), PROFILE, 2.0, [0.2] * 5) for days in (3, 4)]
    assert made[0] is not None
    assert made[1] is not None
    return made[0], made[1]


class Shelf:
    """What nights say that they fitted."""

    def __init__(self) -> None:
        self.said: list[tuple[str, bool]] = []

    def __call__(self, version: str, compared: Compared | None, live: bool) -> None:
        assert compared is None or math.isfinite(compared.agreement)
        self.said.append((version, live))


def test_the_first_model_goes_live(models: tuple[Model, Model]) -> None:
    nights, shelf = Nights(), Shelf()

    live = nights.accept(models[0], None, past(3), incident=False, fitted=shelf)

    assert live is models[0]
    assert shelf.said == [(version_of(models[0]), True)]


def test_a_model_like_yesterdays_goes_live(models: tuple[Model, Model]) -> None:
    nights, shelf = Nights(), Shelf()

    live = nights.accept(models[0], models[0], past(3), incident=False, fitted=shelf)

    assert live is models[0]
    assert nights.version == version_of(models[0])


@pytest.mark.parametrize(("held", "incident"), [(True, False), (False, True)])
def test_thresholds_stay_while_a_model_is_held_or_an_attack_goes_on(
    models: tuple[Model, Model], held: bool, incident: bool
) -> None:
    nights, shelf = Nights(held=held), Shelf()

    live = nights.accept(models[1], models[0], past(4), incident=incident, fitted=shelf)

    assert live is models[0]
    assert shelf.said == [(version_of(models[1]), False)]


def test_a_model_that_finds_far_more_unusual_is_refused_three_nights_and_then_believed(
    models: tuple[Model, Model],
) -> None:
    wild = msgspec.structs.replace(models[1], thresholds=[0.5] * 5)
    nights, shelf = Nights(), Shelf()

    live = [
        nights.accept(wild, models[0], past(4), incident=False, fitted=shelf)
        for _ in range(PATIENCE + 1)
    ]

    assert [each is wild for each in live] == [False] * PATIENCE + [True]


def test_the_same_history_makes_the_same_version() -> None:
    first, second = (fit(past(3), PROFILE, 2.0, [0.2] * 5) for _ in range(2))

    assert first is not None
    assert second is not None
    assert version_of(first) == version_of(second)


def test_few_more_are_no_reason_to_refuse() -> None:
    assert Compared(before=0, tonight=5, agreement=0.9).sound
    assert not Compared(before=0, tonight=6, agreement=0.9).sound
    assert not Compared(before=5, tonight=5, agreement=0.1).sound
