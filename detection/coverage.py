"""Which rules can match what sources deliver at all, by the fields that were really seen."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
from sigma.exceptions import SigmaError
from sigma.processing.pipeline import ProcessingPipeline

from collectors.logsource import LogSource
from detection.sigma.compile import MissingListError, Predicates, RuleCompiler
from detection.sigma.condition import All, Condition, Not, used
from detection.sigma.predicates import Kind, Predicate
from detection.sigma.ruleset import asked_by
from rules.catalog import Rule

MAX_DEPTH = 8
MAX_NAMES = 2_000
"""Names of one event that are looked at."""
EVERYTHING = "*"
"""Stands among names where there were too many to keep: any other may have been seen too."""

Seen = Mapping[LogSource, Collection[str]]
"""Names of fields, as rules write them, by the log source of the events that had them."""


class State(StrEnum):
    """What may come of a rule."""

    FINE = "fine"
    NO_SOURCE = "log source never seen"
    NO_FIELDS = "needed fields never seen"


class Needs(msgspec.Struct, frozen=True):
    """What a rule asks of fields, whatever values it wants."""

    rule: str
    title: str
    level: str
    asked: LogSource
    condition: Condition
    fields: Sequence["Need"]
    """By the numbers that the condition speaks of."""


class Need(NamedTuple):
    """Whether there must be a value, or none; keywords need no field of a name."""

    names: tuple[str, ...]
    absent: bool = False


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, judged."""

    rule: str
    title: str
    level: str
    logsource: str
    state: State
    missing: Sequence[str] = ()
    """Fields that it asks for, of which those that it can't do without were never seen."""


def needs_of(
    rules: Iterable[Rule],
    *,
    pipeline: ProcessingPipeline | None = None,
    lists: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[Needs]:
    """What each rule needs that can be used, and whose placeholders have lists."""
    for rule in rules:
        predicates = Predicates()
        try:
            if pipeline is not None:
                pipeline.apply(rule.sigma)
            condition = RuleCompiler(predicates, lists or {}).compile(rule.sigma)
        except (MissingListError, SigmaError, ValueError):
            continue  # the loader has said so
        needs: dict[Need, int] = {}
        numbers = {
            n: needs.setdefault(_need(predicates.all[n]), len(needs)) for n in used(condition)
        }
        asked, info = asked_by(rule), rule.info
        smaller = _renumbered(condition, numbers)
        yield Needs(info.id, info.title, info.level, asked, smaller, tuple(needs))


def judge(needs: Needs, seen: Seen) -> Finding:
    """Whether the rule can match an event with values in the fields seen; never too strict."""
    served = [names for source, names in seen.items() if source.serves(needs.asked)]
    missing: tuple[str, ...] = ()
    if not served:
        state = State.NO_SOURCE
    elif any(_may(needs.condition, True, needs.fields, names) for names in served):
        state = State.FINE
    else:
        state = State.NO_FIELDS
        together = frozenset[str]().union(*served)
        wanted = dict.fromkeys(name for need in needs.fields for name in need.names)
        missing = tuple(name for name in wanted if name not in together) or tuple(wanted)
    return Finding(
        rule=needs.rule,
        title=needs.title,
        level=needs.level,
        logsource=str(needs.asked),
        state=state,
        missing=missing,
    )


def together(seen: Iterable[Seen]) -> Seen:
    """What was seen by any of several."""
    merged: dict[LogSource, set[str]] = {}
    for each in seen:
        for source, names in each.items():
            merged.setdefault(source, set()).update(names)
    return merged


def names_of(fields: Mapping[str, Any]) -> set[str]:
    """Every name by which a rule finds something in an event, `a` and `a.b` alike."""
    names: set[str] = set()
    level: list[tuple[str, Any]] = [("", fields)]
    for _ in range(MAX_DEPTH):
        below = []
        for prefix, value in level:
            for each in value if isinstance(value, list) else (value,):
                for name, inner in each.items() if isinstance(each, dict) else ():
                    if len(names) == MAX_NAMES:
                        return names
                    if inner is not None:
                        names.add(prefix + name)
                    if isinstance(inner, dict | list):
                        below.append((f"{prefix}{name}.", inner))
        level = below
    return names


def _need(predicate: Predicate) -> Need:
    if predicate.field is None:
        return Need(())
    if predicate.kind is Kind.REFERENCE:
        return Need((predicate.field, str(predicate.value[1])))
    return Need((predicate.field,), absent=predicate.kind is Kind.ABSENT)


def _renumbered(condition: Condition, numbers: Mapping[int, int]) -> Condition:
    if isinstance(condition, Not):
        return Not(_renumbered(condition.part, numbers))
    predicates = frozenset(numbers[each] for each in condition.predicates)
    parts = dict.fromkeys(_renumbered(part, numbers) for part in condition.parts)
    return type(condition)(predicates, tuple(parts))


def _may(condition: Condition, wanted: bool, needs: Sequence[Need], names: Collection[str]) -> bool:
    """Whether the condition can be true, or false, each of its parts taken by itself."""
    if isinstance(condition, Not):
        return _may(condition.part, not wanted, needs, names)
    each = (_holds(needs[number], wanted, names) for number in condition.predicates)
    parts = (_may(part, wanted, needs, names) for part in condition.parts)
    together = isinstance(condition, All) is wanted
    return (all(each) and all(parts)) if together else (any(each) or any(parts))


def _holds(need: Need, wanted: bool, names: Collection[str]) -> bool:
    if EVERYTHING in names or all(name in names for name in need.names):
        return True  # with a value there, or without one this time, it may be either
    return need.absent is wanted
