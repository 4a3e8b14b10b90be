"""Every way of leaving one thing out of a correlation: what its stories must notice."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from rules.conditions import without_a_part
from rules.correlations import COUNTS, MEASURES, Correlation, names_in


class Loosened(NamedTuple):
    """A correlation that says something else."""

    left_out: str
    correlation: Correlation


def loosened(correlation: Correlation) -> Iterator[Loosened]:
    """The same with another number or timespan, without a group's field, a rule or the order."""
    yield from _with_other_numbers(correlation)
    span = correlation.timespan
    yield Loosened(f"timespan: {2 * span} s would do too", replace(correlation, timespan=2 * span))
    if span > 1:
        half = replace(correlation, timespan=span // 2)
        yield Loosened(f"timespan: {span // 2} s would do too", half)
    for name in correlation.group_by:
        rest = tuple(each for each in correlation.group_by if each != name)
        yield Loosened(f"group-by: {name}", replace(correlation, group_by=rest))
    if correlation.kind == "temporal_ordered":
        yield Loosened("the order of its rules", replace(correlation, kind="temporal"))
    if correlation.kind == "value_count":
        events = replace(correlation, kind="event_count", fields=())
        yield Loosened("that values must differ", events)
    yield from _without_a_rule(correlation)


def _with_other_numbers(correlation: Correlation) -> Iterator[Loosened]:
    number = correlation.threshold
    if correlation.expression is not None or correlation.silence:
        return
    if correlation.kind in MEASURES:
        others = (number / 2, number * 2)
    elif correlation.kind in COUNTS or number < len(correlation.rules):
        others = (number - 1, number + 1)
    else:
        return
    for other in others:
        changed = replace(correlation, threshold=other)
        yield Loosened(f"{correlation.op}: {other:g} would do too", changed)


def _without_a_rule(correlation: Correlation) -> Iterator[Loosened]:
    if correlation.expression is not None:
        for changed in without_a_part(correlation.expression):
            rules = tuple(dict.fromkeys(names_in(changed)))
            less = replace(correlation, expression=changed, rules=rules)
            yield Loosened(f"condition as '{changed}'", less)
    elif len(correlation.rules) > 1:
        for rule in correlation.rules:
            rest = tuple(each for each in correlation.rules if each != rule)
            asked = correlation.threshold
            if asked == len(correlation.rules):
                asked -= 1
            yield Loosened(f"rules: {rule}", replace(correlation, rules=rest, threshold=asked))
