"""What rules and fields cost on a stream, measured while it is matched."""

import time
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

import msgspec

from collectors.logsource import LogSource
from detection.sigma.compile import MissingListError, Predicates, RuleCompiler
from detection.sigma.condition import true_for, used
from detection.sigma.engine import Engine
from detection.sigma.keywords import Keywords
from detection.sigma.plan import Plan
from detection.sigma.predicates import TEXT_KINDS, Kind, Predicate, tester
from detection.sigma.values import OBJECT, find, plain, text_of
from rules.catalog import Rule

KEYWORDS = "(keywords)"
"""Stands among the fields for the search of all values."""
MAX_VALUES = 200
"""New values of a field that each rule is asked about alone."""
MAX_TEXT = 10_000
"""Characters of such a value."""
NEVER_ASKED = frozenset({Kind.PRESENT, Kind.ABSENT, Kind.REFERENCE})
"""What no text is looked through for."""


class FieldCost(msgspec.Struct):
    """What looking one field up cost."""

    field: str
    lookups: int = 0
    new_values: int = 0
    """Look-ups of values that were not remembered, so that patterns had to be looked for."""
    seconds: float = 0.0
    new_seconds: float = 0.0
    """The part of it that new values took."""


class RuleCost(msgspec.Struct):
    """What one rule cost."""

    rule: str
    title: str
    path: str
    line: int
    looked_at: int = 0
    """How often its condition had to be worked out: a predicate that it needs held."""
    seconds: float = 0.0
    """What that took."""
    matches: int = 0
    alone_us: float = 0.0
    """Microseconds to ask all its values, one by one, of one new value of each of their fields."""


class Meter:
    """Matches events as the engine does, with a clock at each step. Not shared between threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tick = _tick()
        self.events = 0
        self.seconds = 0.0
        """Of matching, clocks included."""
        self.fields: dict[str, FieldCost] = {}
        self.rules = [
            RuleCost(rule=info.id, title=info.title, path=info.path, line=info.line)
            for info in engine.infos
        ]
        self.values: dict[str, dict[str, None]] = {}
        """The first new values of each field."""

    def match(self, fields: Mapping[str, Any], logsources: Iterable[LogSource]) -> tuple[int, ...]:
        """Numbers of the rules that match."""
        began = time.perf_counter_ns()
        plan = self._engine.plan(tuple(logsources))
        signature = [
            self._look_up(name, answers, _value(fields, name))
            for name, answers in plan.answers.items()
        ]
        signature += [
            pair[tuple(_value(fields, name) for name in pair.names)] for pair in plan.pairs
        ]
        if plan.keywords is not None:
            signature.append(self._search(plan.keywords, fields))
        found = self._evaluate(plan, tuple(signature))
        for number in found:
            self.rules[number].matches += 1
        self._engine.trim()
        self.events += 1
        self.seconds += (time.perf_counter_ns() - began) / 1e9
        return found

    def ask_alone(self, rules: Iterable[Rule], lists: Mapping[str, Sequence[str]]) -> None:
        """Time each rule's own values, one by one, on the new values of the stream."""
        costs = {cost.rule: cost for cost in self.rules}
        taken: dict[Predicate, float] = {}
        for rule in rules:
            if rule.info.id not in costs:
                continue
            for predicate in _predicates(rule, lists):
                if predicate not in taken:
                    taken[predicate] = self._alone(predicate)
                costs[rule.info.id].alone_us += taken[predicate]

    def _look_up(self, name: str, answers: dict[Any, int], value: Any) -> int:
        new = value not in answers
        began = time.perf_counter_ns()
        number = answers[value]
        self._add(name, self._since(began), new=new)
        if new:
            self._keep(name, value)
        return number

    def _search(self, keywords: Keywords, fields: Mapping[str, Any]) -> int:
        began = time.perf_counter_ns()
        number = keywords.number(fields, b"")
        self._add(KEYWORDS, self._since(began), new=True)
        for value in fields.values():
            self._keep(KEYWORDS, plain(value))
        return number

    def _evaluate(self, plan: Plan, signature: tuple[int, ...]) -> tuple[int, ...]:
        known = plan.known.get(signature)
        if known is not None:
            return known
        sets, conditions = self._engine.sets.sets, self._engine.conditions
        numbers = set(signature)
        held = frozenset().union(*(sets[number] for number in numbers))
        for rule in plan.candidates(numbers):
            began = time.perf_counter_ns()
            true_for(conditions[rule], held)
            took = self._since(began)
            self.rules[rule].looked_at += 1
            self.rules[rule].seconds += took
        return plan.evaluate(signature)

    def _since(self, began: int) -> float:
        return max(time.perf_counter_ns() - began - self._tick, 0) / 1e9

    def _add(self, name: str, took: float, *, new: bool) -> None:
        cost = self.fields.get(name)
        if cost is None:
            cost = self.fields[name] = FieldCost(field=name)
        cost.lookups += 1
        cost.seconds += took
        if new:
            cost.new_values += 1
            cost.new_seconds += took

    def _keep(self, name: str, value: Any) -> None:
        kept = self.values.setdefault(name, {})
        for each in value if isinstance(value, tuple) else (value,):
            if len(kept) < MAX_VALUES and each is not None and each is not OBJECT:
                kept[text_of(each)[:MAX_TEXT]] = None

    def _alone(self, predicate: Predicate) -> float:
        texts = list(self.values.get(predicate.field or KEYWORDS, ()))
        if not texts or predicate.kind in NEVER_ASKED:
            return 0.0
        if predicate.kind in TEXT_KINDS and not predicate.cased:
            texts = [text.lower() for text in texts]
        test = tester(predicate)
        began = time.perf_counter_ns()
        for text in texts:
            test(text)
        return (time.perf_counter_ns() - began) / 1e3 / len(texts)


def _predicates(rule: Rule, lists: Mapping[str, Sequence[str]]) -> list[Predicate]:
    """Of a rule that the engine took."""
    predicates = Predicates()
    try:
        condition = RuleCompiler(predicates, lists).compile(rule.sigma)
    except MissingListError:  # it matches nothing, and costs nothing
        return []
    return [predicates.all[number] for number in sorted(set(used(condition)))]


def _value(fields: Mapping[str, Any], name: str) -> Any:
    return find(fields, name) if "." in name else plain(fields.get(name))


def _tick() -> int:
    """What reading the clock itself takes, in nanoseconds."""
    return int(median(-time.perf_counter_ns() + time.perf_counter_ns() for _ in range(1_000)))
