"""Renamed fleets, patient attackers and ordinary days: what the model makes of them."""

from collections import Counter
from pathlib import Path

import numpy as np

from detection.anomaly.budget import Standing
from detection.anomaly.views import VIEWS
from detection.anomaly.watch import Judged
from tests.lifts import ATTACK, BUDGET, COMMON, DAY, HOSTS, START, at_hour, burst, judged, ordinary


def alerts(found: list[Judged]) -> Counter[int]:
    """How many were opened, by day."""
    opened = [each for each in found if each.standing is Standing.OPENS]
    return Counter(int((each.behaviour.start - START) // DAY) for each in opened)


def test_a_renamed_fleet_is_few_alerts_and_soon_usual(tmp_path: Path) -> None:
    renamed = {kind: f"{kind}.v2" for kind in COMMON}
    change = START + 4.5 * DAY
    events = [
        {**each, "kind": renamed.get(each["kind"], each["kind"])} if each["time"] > change else each
        for each in ordinary(8)
    ]

    found = judged(tmp_path, events)

    days = alerts(found)
    unusual = [each for each in found if each.views and each.behaviour.end > change]
    assert len(unusual) > HOSTS
    assert 1 <= days[4] + days[5] <= BUDGET
    assert days[7] <= 1


def test_an_attacker_who_makes_his_tools_usual_bit_by_bit_is_still_seen(tmp_path: Path) -> None:
    # one of his tools at a time, every two hours from the second day on, then all of them
    steps = [
        each
        for number in range(30)
        for each in burst(1.5 + number / 12, 3, ATTACK[number % len(ATTACK)])
    ]

    found = judged(tmp_path, [*ordinary(5), *steps, *burst(4.7, 3, *ATTACK * 3)])

    assert at_hour(found, 4.7, 3).alert


def test_what_one_host_repeats_does_not_become_usual_for_the_others(tmp_path: Path) -> None:
    noise = [each for hour in range(72) for each in burst(1 + hour / 24, 3, *["implant"] * 50)]

    quiet = judged(tmp_path, [*ordinary(5), *burst(4.7, 5, *ATTACK)])
    noisy = judged(tmp_path, [*ordinary(5), *noise, *burst(4.7, 5, *ATTACK)])

    assert at_hour(quiet, 4.7, 5).alert
    assert at_hour(noisy, 4.7, 5).alert


def test_p_values_of_ordinary_days_are_as_frequent_as_they_say(tmp_path: Path) -> None:
    events = list(ordinary(7, busy=12, new=0.3))

    found = [each for each in judged(tmp_path, events) if each.behaviour.start > START + 3 * DAY]

    p = {view: np.asarray([each.p_views[view] for each in found]) for view in VIEWS}
    ratio = {view: float((each <= 0.05).mean()) / 0.05 for view, each in p.items()}
    del ratio["population"]  # that of twelve hosts is never 0.05
    assert all(0.5 <= each <= 1.5 for each in ratio.values()), ratio


def test_ordinary_days_cost_less_than_their_budget(tmp_path: Path) -> None:
    assert sum(alerts(judged(tmp_path, list(ordinary(7)))).values()) <= BUDGET
