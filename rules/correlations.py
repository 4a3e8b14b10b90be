"""Reads Sigma correlations: what is counted or put together, over which time, by which values."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sigma.correlations import (
    SigmaCorrelationCondition,
    SigmaCorrelationRule,
    SigmaExtendedCorrelationCondition,
)
from sigma.exceptions import SigmaError

from collectors.logsource import LogSource
from rules.conditions import Chain, Expression, Name, Negation, check_bounds, parse
from rules.documents import Document, Fault
from rules.info import RuleInfo, info_of
from rules.refusals import said_by

ANY_SOURCE = LogSource("", "", "")
COUNTS = frozenset({"event_count", "value_count"})
TEMPORAL = frozenset({"temporal", "temporal_ordered"})
MEASURES = frozenset({"value_sum", "value_avg", "value_percentile", "value_median"})
MAX_ORDERED = 8
"""Rules of an ordered condition with `and`, `or` and `not`, as every part of it is tried."""
MAX_RULES = 100
MAX_COUNT = 100_000
"""As all that is counted is kept."""
NOT_READ = (SigmaError, TypeError, ValueError, AttributeError, KeyError, RecursionError)
"""What pySigma says to a document that is something else."""


@dataclass(frozen=True)
class Correlation:
    """One correlation. Its rules are as its author names them until `resolve` makes ids of them."""

    info: RuleInfo
    document: Document
    kind: str
    """The type that the specification gives it: `event_count`, `temporal_ordered` …"""
    rules: tuple[str, ...]
    timespan: int
    """Seconds, both ends included."""
    group_by: tuple[str, ...] = ()
    aliases: Mapping[str, Mapping[str, str]] | None = None
    """Of a name in `group_by`, or of the condition's field: rule to its own field."""
    op: str = "gte"
    threshold: float = 1
    fields: tuple[str, ...] = ()
    """Whose values are counted or added up."""
    percentile: int = 50
    expression: Expression | None = None
    """Instead of `op` and `threshold`: which rules must, or must not, have been seen."""
    generate: bool = False
    """Whether its rules also match on their own."""

    @property
    def rising(self) -> bool:
        """Whether more events can only make it true, so that it need not wait for the end."""
        if self.expression is not None:
            return not _negates(self.expression)
        return self.op in {"gt", "gte"} and self.kind in COUNTS | TEMPORAL | {"value_sum"}

    @property
    def silence(self) -> bool:
        """Whether it is true where nothing has happened since a group's last event."""
        none = {("eq", 0), ("lte", 0), ("lt", 1)}
        return self.kind == "event_count" and (self.op, self.threshold) in none

    def field(self, name: str, rule: str) -> str:
        """What a rule calls a field of the correlation."""
        return (self.aliases or {}).get(name, {}).get(rule, name)


def read_correlation(document: Document, faults: list[Fault]) -> Correlation | None:
    """Make a correlation of a document, or note why not."""
    line = document.line_of("correlation")
    try:
        sigma = _sigma(document)
        found = None if sigma.errors else _of(sigma, document)
    except NOT_READ as error:
        faults.append(Fault(document.path, line, f"not a Sigma correlation: {error}"))
        return None
    faults += [Fault(document.path, line, said_by(each)) for each in sigma.errors]
    problem = None if found is None else _problem(found)
    if problem is not None:
        faults.append(Fault(document.path, line, problem))
        return None
    return found


def resolve(
    found: Sequence[Correlation], names: Mapping[str, Sequence[str]], faults: list[Fault]
) -> list[Correlation]:
    """The correlations that stand, with ids for names, each after those that it refers to.

    `names` has the ids that an id or a name stands for, correlations among them.
    """
    by_id = {each.info.id: each for each in found}
    done: dict[str, Correlation | None] = {}

    def settle(each: Correlation, path: tuple[str, ...]) -> Correlation | None:
        identity = each.info.id
        if identity in path:
            raise ValueError("it refers to itself, by way of " + ", ".join(path[1:] or path))
        if identity not in done:
            ids = {rule: _one(rule, names) for rule in mentioned(each)}
            for id_ in ids.values():
                if id_ in by_id and settle(by_id[id_], (*path, identity)) is None:
                    raise ValueError(f"the correlation {id_} that it refers to is refused")
            done[identity] = renamed(each, ids)
        return done[identity]

    for each in found:
        try:
            settle(each, ())
        except ValueError as error:
            done[each.info.id] = None
            line = each.document.line_of("correlation")
            faults.append(Fault(each.info.path, line, f"correlation: {error}"))
    return [each for each in done.values() if each is not None]


def standing(
    correlations: Sequence[Correlation], rules: Iterable[str], faults: list[Fault]
) -> list[Correlation]:
    """Those correlations all of whose rules are in use; a fault for each other."""
    usable = set(rules)
    kept: list[Correlation] = []
    for each in correlations:
        missing = [rule for rule in each.rules if rule not in usable]
        if missing:
            message = f"correlation: the rule {missing[0]} that it refers to is refused"
            line = each.document.line_of("correlation", "condition")
            faults.append(Fault(each.info.path, line, message))
        else:
            usable.add(each.info.id)
            kept.append(each)
    return kept


def unspoken(correlations: Iterable[Correlation]) -> frozenset[str]:
    """Rules that only matter to correlations, none of which lets them match on their own."""
    return frozenset(rule for each in correlations if not each.generate for rule in each.rules)


def names_in(expression: Expression) -> Iterator[str]:
    """Every rule that a condition mentions, in the order of mention."""
    if isinstance(expression, Name):
        yield expression.text
    elif isinstance(expression, Negation):
        yield from names_in(expression.part)
    else:
        for part in expression.parts:
            yield from names_in(part)


def _sigma(document: Document) -> SigmaCorrelationRule:
    condition = document.content["correlation"].get("condition")
    if isinstance(condition, str):
        check_bounds(condition)
    try:
        return SigmaCorrelationRule.from_dict(document.content, collect_errors=True)
    except UnboundLocalError:  # pySigma's own, where it collects errors: ask for the first alone
        return SigmaCorrelationRule.from_dict(document.content)


def _of(sigma: SigmaCorrelationRule, document: Document) -> Correlation:
    condition = sigma.condition
    common: dict[str, Any] = {
        "info": info_of(sigma, document, ANY_SOURCE, "correlation"),
        "document": document,
        "kind": sigma.type.name.lower(),
        "timespan": sigma.timespan.seconds,
        "group_by": tuple(map(str, sigma.group_by or ())),
        "aliases": {
            str(alias.alias): {str(ref.reference): str(to) for ref, to in alias.mapping.items()}
            for alias in sigma.aliases
        },
        "generate": sigma.generate,
    }
    rules = tuple(str(each.reference) for each in sigma.rules or ())
    if isinstance(condition, SigmaExtendedCorrelationCondition):
        expression = parse(condition.expression)
        rules = rules or tuple(dict.fromkeys(names_in(expression)))
        return Correlation(rules=rules, expression=expression, **common)
    return Correlation(rules=rules, **common, **_threshold(condition))


def _threshold(condition: SigmaCorrelationCondition) -> dict[str, Any]:
    fields = condition.fieldref or ()
    return {
        "op": condition.op.name.lower(),
        "threshold": condition.count,
        "fields": (fields,) if isinstance(fields, str) else tuple(map(str, fields)),
        "percentile": -1 if condition.percentile is None else condition.percentile,
    }


def _problem(found: Correlation) -> str | None:
    """What pySigma lets pass and yet can't be meant."""
    if not 0 < len(found.rules) <= MAX_RULES:
        return f"expected 1 to {MAX_RULES} rules, got {len(found.rules)}"
    if len(set(found.rules)) < len(found.rules):
        return "a rule is named twice in `rules`; name each once"
    if found.kind == "value_percentile" and not 0 <= found.percentile <= 100:
        return "value_percentile needs `percentile: 0` to `100` in its condition"
    if found.kind in MEASURES and len(found.fields) > 1:
        return f"{found.kind} takes one field, got {len(found.fields)}"
    if found.kind in COUNTS and found.threshold > MAX_COUNT:
        return f"it counts to {found.threshold}; expected at most {MAX_COUNT}"
    if found.expression is not None:
        if found.kind == "temporal_ordered" and len(found.rules) > MAX_ORDERED:
            return f"an ordered condition takes at most {MAX_ORDERED} rules"
    elif found.kind in TEMPORAL and found.rising:
        least = found.threshold + (found.op == "gt")
        if least > len(found.rules):
            return f"it asks for {least} different rules and names {len(found.rules)}"
    return None


def _negates(expression: Expression) -> bool:
    if isinstance(expression, Chain):
        return any(map(_negates, expression.parts))
    return isinstance(expression, Negation)


def mentioned(each: Correlation) -> Iterator[str]:
    """What a correlation calls the rules that it refers to."""
    yield from each.rules
    for mapping in (each.aliases or {}).values():
        yield from mapping


def _one(rule: str, names: Mapping[str, Sequence[str]]) -> str:
    """The id that a name stands for. Raises ValueError unless there is just one."""
    known = names.get(rule.lower()) or names.get(rule) or ()
    if not known:
        raise ValueError(f"no rule has the id or name '{rule}' here (or that rule is refused)")
    if len(known) > 1:
        raise ValueError(f"the name '{rule}' is that of {len(known)} rules; refer by id")
    return known[0]


def renamed(each: Correlation, ids: Mapping[str, str]) -> Correlation:
    """The same with other ids, or ids for names, for rules that it refers to."""
    aliases = {
        alias: {ids.get(rule, rule): field for rule, field in mapping.items()}
        for alias, mapping in (each.aliases or {}).items()
    }
    expression = None if each.expression is None else _renamed(each.expression, ids)
    rules = tuple(ids.get(rule, rule) for rule in each.rules)
    return replace(each, rules=rules, aliases=aliases, expression=expression)


def _renamed(expression: Expression, ids: Mapping[str, str]) -> Expression:
    if isinstance(expression, Name):
        return Name(ids.get(expression.text, expression.text))
    if isinstance(expression, Negation):
        return Negation(_renamed(expression.part, ids))
    return Chain(expression.word, tuple(_renamed(part, ids) for part in expression.parts))
