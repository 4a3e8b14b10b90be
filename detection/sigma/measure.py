"""What a correlation measures in one window of its hits, and whether that is enough."""

import operator
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain, combinations
from typing import Any, Final, NamedTuple

from rules.conditions import Expression, Name, Negation
from rules.correlations import Correlation, names_in

SECOND: Final = 1_000_000
"""Times are microseconds since 1970, UTC."""


class Span(NamedTuple):
    """The hits of a correlation in whose window another correlation's hit consists."""

    correlation: str
    group: tuple[str, ...]
    start: int
    end: int


class Hit(NamedTuple):
    """One event as one rule of a correlation matched it. Sorted by time, event and rule."""

    time: int
    event: str
    """What counts once, by whichever rules it is matched."""
    rule: str
    value: str | float | None = None
    """Of the field that the correlation counts or adds up, None without one."""
    payload: Any = None
    """Whatever the caller gave with the event; a Span where a correlation is the rule."""


def holds(correlation: Correlation, hits: Sequence[Hit]) -> bool:
    """Whether the condition is true of the hits of one window, in their order."""
    if correlation.expression is not None:
        return _satisfied(correlation, correlation.expression, hits)
    measured = _MEASURES[correlation.kind](correlation, hits)
    return measured is not None and _OPERATORS[correlation.op](measured, correlation.threshold)


def marker(correlation: Correlation, hit: Hit) -> str | float | None:
    """What of a hit the correlation tells apart; None where that is nothing."""
    if correlation.kind == "event_count":
        return hit.event
    return hit.value if correlation.kind == "value_count" else hit.rule


def conceivable(correlation: Correlation, markers: Collection[str | float]) -> bool:
    """Whether hits with these markers may do for a correlation that only rises."""
    if correlation.kind == "value_sum":
        return True
    if correlation.expression is not None:
        present = {str(each) for each in markers}
        return _true(correlation.expression, present, present)
    return _OPERATORS[correlation.op](len(markers), correlation.threshold)


def _distinct(correlation: Correlation, hits: Sequence[Hit]) -> float:
    """How many markers there are; once past the threshold more of them change nothing."""
    seen: set[str | float] = set()
    for hit in hits:
        mark = marker(correlation, hit)
        if mark is not None:
            seen.add(mark)
            if len(seen) > correlation.threshold:
                break
    return len(seen)


def _ordered(correlation: Correlation, hits: Sequence[Hit]) -> float:
    """The most rules seen in their order; what happens at one time counts as in order.

    Where more events can only help, the last of them must be at the window's end.
    """
    rank = {rule: number for number, rule in enumerate(correlation.rules)}
    best = [0] * len(rank)
    at_end = 0
    for hit in sorted(hits, key=lambda hit: (hit.time, rank[hit.rule])):
        place = rank[hit.rule]
        length = 1 + max(best[:place], default=0)
        best[place] = max(best[place], length)
        if hit.time == hits[-1].time:
            at_end = max(at_end, length)
    return at_end if correlation.rising else max(best)


def _numbers(hits: Sequence[Hit]) -> list[float]:
    """One number for each event that has one."""
    found = {hit.event: hit.value for hit in reversed(hits) if isinstance(hit.value, int | float)}
    return sorted(found.values())


def _sum(correlation: Correlation, hits: Sequence[Hit]) -> float | None:
    numbers = _numbers(hits)
    if correlation.rising:
        numbers = [number for number in numbers if number > 0]
    return sum(numbers) if numbers else None


def _average(_: Correlation, hits: Sequence[Hit]) -> float | None:
    numbers = _numbers(hits)
    return sum(numbers) / len(numbers) if numbers else None


def _percentile(correlation: Correlation, hits: Sequence[Hit]) -> float | None:
    return _quantile(_numbers(hits), correlation.percentile / 100)


def _median(_: Correlation, hits: Sequence[Hit]) -> float | None:
    return _quantile(_numbers(hits), 0.5)


def _quantile(numbers: Sequence[float], share: float) -> float | None:
    """The number at a share of the way through, in a straight line between its neighbours."""
    if not numbers:
        return None
    place = share * (len(numbers) - 1)
    below = int(place)
    above = min(below + 1, len(numbers) - 1)
    return numbers[below] + (numbers[above] - numbers[below]) * (place - below)


def _satisfied(correlation: Correlation, expression: Expression, hits: Sequence[Hit]) -> bool:
    """Whether `and`, `or` and `not` hold; in order, for some choice of rules seen in order."""
    present = {hit.rule for hit in hits}
    if correlation.kind == "temporal":
        return _true(expression, present, present)
    asked = [rule for rule in correlation.rules if rule in set(names_in(expression))]
    times = {rule: [hit.time for hit in hits if hit.rule == rule] for rule in asked}
    choices = chain.from_iterable(combinations(asked, size) for size in range(len(asked) + 1))
    return any(
        _true(expression, set(choice), present) and _in_order(choice, times) for choice in choices
    )


def _true(expression: Expression, chosen: set[str], present: set[str]) -> bool:
    """What is asked for must be among the chosen, what is denied must not be there at all."""
    if isinstance(expression, Name):
        return expression.text in chosen
    if isinstance(expression, Negation):
        return not _true(expression.part, present, chosen)
    parts = (_true(part, chosen, present) for part in expression.parts)
    return all(parts) if expression.word == "and" else any(parts)


def _in_order(choice: Iterable[str], times: Mapping[str, Sequence[int]]) -> bool:
    earliest = 0
    for rule in choice:
        place = bisect_left(times[rule], earliest)
        if place == len(times[rule]):
            return False
        earliest = times[rule][place]
    return True


_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "eq": operator.eq,
    "neq": operator.ne,
}
_MEASURES: Final[Mapping[str, Callable[[Correlation, Sequence[Hit]], float | None]]] = {
    "event_count": _distinct,
    "value_count": _distinct,
    "temporal": _distinct,
    "temporal_ordered": _ordered,
    "value_sum": _sum,
    "value_avg": _average,
    "value_percentile": _percentile,
    "value_median": _median,
}
