"""How the budget is split over the views follows what people said of each view's alerts."""

from pathlib import Path

import pytest

from collectors.codec import dumps
from detection.anomaly.replay import Replay
from detection.anomaly.split import FARTHEST, MOST, Heard, moved
from detection.anomaly.views import SHARES, VIEWS, View
from tests.lifts import BUDGET, DAY, PROFILE, START, ordinary

HOST = SHARES["host"]
NOVELTY, FOREST = VIEWS.index("novelty"), VIEWS.index("forest")


def said(view: View, attack: bool, number: int, at: float = START) -> list[Heard]:
    return [Heard(view, attack, at)] * number


def test_before_anybody_has_said_anything_shares_stand_as_they_are() -> None:
    assert moved(HOST, [], START) == list(HOST)


def test_a_view_that_is_right_gains_what_one_that_cries_wolf_loses() -> None:
    after = moved(HOST, said("novelty", True, 8) + said("forest", False, 8), START)

    assert after[NOVELTY] > HOST[NOVELTY]
    assert after[FOREST] < HOST[FOREST]
    assert sum(after) == pytest.approx(sum(HOST))


def test_no_view_is_silenced_however_often_it_was_wrong() -> None:
    after = moved(HOST, said("novelty", True, 500) + said("forest", False, 500), START)

    assert after[FOREST] >= HOST[FOREST] / FARTHEST**2
    assert min(after) > 0


def test_views_that_are_equally_right_keep_their_shares() -> None:
    verdicts = [each for view in VIEWS for each in said(view, True, 30) + said(view, False, 30)]

    assert moved(HOST, verdicts, START) == pytest.approx(HOST)


def test_what_was_said_long_ago_counts_less() -> None:
    verdicts = said("novelty", True, 8) + said("forest", False, 8)

    soon, late = moved(HOST, verdicts, START), moved(HOST, verdicts, START + 300 * DAY)

    assert HOST[NOVELTY] < late[NOVELTY] < soon[NOVELTY]


def test_the_night_after_verdicts_has_a_model_with_moved_shares(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join(map(dumps, ordinary(4))))
    heard, not_heard = (
        Replay("docks", PROFILE, budget=BUDGET),
        Replay("docks", PROFILE, budget=BUDGET),
    )
    for number in range(8):
        heard.watch.hear(f"novel-{number}", Heard("novelty", True, START))
        heard.watch.hear(f"odd-{number}", Heard("forest", True, START))
        heard.watch.hear(f"odd-{number}", Heard("forest", False, START))

    for each in (heard, not_heard):
        list(each.run([path]))

    before, after = not_heard.watch.kept.model, heard.watch.kept.model
    assert before is not None
    assert after is not None
    assert before.shares == list(HOST)
    told = said("novelty", True, 8) + said("forest", False, 8)
    assert after.shares == pytest.approx(moved(HOST, told, START + 3 * DAY), rel=0.01)


def test_only_so_many_verdicts_are_remembered() -> None:
    watch = Replay("docks", PROFILE, budget=BUDGET).watch

    for number in range(MOST + 5):
        watch.hear(str(number), Heard("novelty", True, START))

    assert list(watch.kept.verdicts) == [str(number) for number in range(5, MOST + 5)]
