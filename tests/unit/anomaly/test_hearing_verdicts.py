"""What a tenant's behaviour makes of verdicts on its alerts, and of alerts that nobody judged."""

import pytest

from detection.anomaly.alerting import Alerting
from detection.anomaly.calendar import Calendar
from detection.anomaly.lessons import Lessons, Names, Said, Told
from detection.anomaly.library import library
from detection.anomaly.nights import Nights
from detection.anomaly.ranking import Group, Judged
from detection.anomaly.split import Heard
from detection.anomaly.state import DAY
from detection.anomaly.tenant import Kept, KeptProfile, TenantBehaviour, from_bytes, to_bytes
from detection.anomaly.timing import Timing

NOW = 1_764_201_600.0
NAMES = Names(b"k" * 32, "council")
WATCHED = {each.profile.name: each for each in library()}
PROFILE = "linux_auth"


def told(days_ago: float, entity: str = "ada") -> Told:
    return Told(PROFILE, entity, "novelty", NOW - days_ago * DAY, (1.0,) * 6)


def behaviour(**alerts: Told) -> TenantBehaviour:
    """One that has told these, by their ids."""
    profile = KeptProfile(Timing(), Alerting(told=alerts), Nights())
    return TenantBehaviour(
        Kept("council", time=NOW, profiles={PROFILE: profile}),
        watched=WATCHED,
        calendar=Calendar().hour,
        lateness=300.0,
        names=NAMES,
    )


def said(alert: str, verdict: str) -> Said:
    return Said(alert=alert, verdict=verdict, analyst="ada", closed="2025-11-27T00:00:00Z")


def heard(known: TenantBehaviour) -> dict[str, Heard]:
    watch = known.keep().profiles[PROFILE].watch
    assert watch is not None
    return watch.verdicts


def test_a_view_is_remembered_to_have_been_right_or_wrong() -> None:
    known = behaviour(right=told(1), wrong=told(2), open=told(3))

    known.hear(said("right", "true_positive"))
    known.hear(said("wrong", "benign_true_positive"))
    known.hear(said("wrong", "false_positive"))
    known.hear(said("open", "inconclusive"))

    assert heard(known) == {
        "right": Heard("novelty", True, NOW - DAY),
        "wrong": Heard("novelty", False, NOW - 2 * DAY),
    }


def test_alerts_that_nobody_judged_in_a_week_are_what_is_taken_for_harmless() -> None:
    known = behaviour(old=told(8, "bob"), new=told(6, "eve"), judged=told(9))
    known.hear(said("judged", "true_positive"))

    known.teach([])

    assert known.keep().lessons.unseen == [NAMES.group(told(8, "bob"))]
    assert from_bytes(to_bytes(known.keep())).lessons == known.keep().lessons


@pytest.mark.parametrize("unseen", [0, 40])
def test_what_nobody_judged_lowers_the_odds_of_its_like(unseen: int) -> None:
    def group(rate: float) -> Group:
        return Group(tenant="t", entity="e", rule="scan", rates=(rate,))

    judged = [
        Judged(group=group(rate), attack=rate > 2, analyst="a") for rate in (1.0, 1.5, 2.5, 3.0)
    ]
    known = {str(number): each for number, each in enumerate(judged)}

    without = Lessons(known).ranking().odds([group(2.2)])
    with_them = Lessons(known, [group(2.2)] * unseen).ranking().odds([group(2.2)])

    assert (with_them < without) == (unseen > 0)
