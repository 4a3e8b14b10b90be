"""What verdicts on two attacks save on the next two: `python -m tests.bench.anomaly_verdicts`."""

from collections.abc import Iterator, Sequence

import numpy as np

from detection.anomaly.lessons import Names, told_of
from detection.anomaly.ranking import Group, learn
from detection.anomaly.ranking import Judged as Lesson
from detection.anomaly.state import DAY
from detection.anomaly.watch import Judged
from tests.bench.anomaly import AIT, TENANTS, ait, alerted
from tests.bench.anomaly_truth import HOUR, Found, Truth, judge, truth

KEY = b"k" * 32
BUDGET, A_DAY = 5.0, 20
"""Verdicts a day and network: on the most unusual windows of the day."""
LEAST = -2.0
"""Windows less unusual than this (decades past a threshold) nobody would ever look at."""


def verdict(each: Judged, labels: Truth) -> bool | None:
    """Whether a window is an attack; None where the labels leave it open."""
    place = each.behaviour.entity, each.behaviour.start
    return True if place in labels.steps else None if place in labels.ignored else False


def group(tenant: str, each: Judged) -> Group:
    """A window as it may be learned from, under its strongest view."""
    view = min(each.p_views, key=lambda view: each.p_views[view])
    return Names(KEY, tenant).group(told_of(each, AIT.name, view))


def most_unusual(judged: Sequence[Judged]) -> Iterator[Judged]:
    """The first A_DAY of each day."""
    days: dict[int, list[Judged]] = {}
    for each in judged:
        days.setdefault(int(each.behaviour.start // DAY), []).append(each)
    for day in sorted(days):
        yield from sorted(days[day], key=lambda each: -each.score)[:A_DAY]


def false_before(
    order: Sequence[int], windows: Sequence[tuple[str, Judged]], labels: dict[str, Truth]
) -> dict[int, int]:
    """For each number of pairs found, the false host-hours that come before in this order."""
    pairs: set[tuple[str, str, str]] = set()
    wrong: set[tuple[str, str, int]] = set()
    found: dict[int, int] = {}
    for at in order:
        tenant, each = windows[at]
        host, start = each.behaviour.entity, each.behaviour.start
        said = verdict(each, labels[tenant])
        if said:
            pairs |= {(tenant, host, step) for step in labels[tenant].steps[host, start]}
        elif said is False:
            wrong.add((tenant, host, int(start // HOUR)))
        found.setdefault(len(pairs), len(wrong))
    return found


def main() -> None:
    """The same windows in the order of their scores, and in that which verdicts have taught."""
    labels = {tenant: truth(tenant) for tenant in TENANTS}
    judged = {
        tenant: [each for each in ait(tenant, BUDGET) if each.model and not each.learning]
        for tenant in TENANTS
    }
    lessons = [
        Lesson(group=group(tenant, each), attack=said, analyst="analyst")
        for tenant in TENANTS[:2]
        for each in most_unusual(judged[tenant])
        if (said := verdict(each, labels[tenant])) is not None
    ]
    ranking = learn(lessons)
    rest = [(tenant, each) for tenant in TENANTS[2:] for each in judged[tenant]]
    rest = [(tenant, each) for tenant, each in rest if each.score > LEAST]
    scores = np.asarray([each.score for _, each in rest])
    odds = ranking.odds([group(tenant, each) for tenant, each in rest])
    orders = [np.argsort(-by, kind="stable").tolist() for by in (scores, odds)]
    before, after = (false_before(order, rest, labels) for order in orders)
    alerts = sum((judge(alerted(judged[each]), labels[each]) for each in TENANTS[2:]), Found())
    attacks = sum(each.attack for each in lessons)
    print(f"{len(lessons)} verdicts on {TENANTS[:2]}, {attacks} of them attacks; on {TENANTS[2:]}:")
    print(f"  alerts: {alerts}")
    for number in sorted(before.keys() & after.keys())[-5:]:
        print(
            f"  {number} pairs: {before[number]} false before by score, {after[number]} by verdicts"
        )


if __name__ == "__main__":
    main()
