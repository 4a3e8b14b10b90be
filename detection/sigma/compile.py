"""Turns a parsed Sigma rule into a condition over numbered predicates."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any as Anything

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.rule import SigmaRule
from sigma.types import (
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)

from detection.sigma.condition import All, Any, Condition, Not, join, one
from detection.sigma.predicates import Kind, Pattern, Predicate, Wild, regex
from detection.sigma.values import text_of

MAX_EXPANSIONS = 10_000
"""Values that the placeholders of one item may become."""
WILDS = {SpecialChars.WILDCARD_MULTI: Wild.TEXT, SpecialChars.WILDCARD_SINGLE: Wild.CHARACTER}
SIMPLE: dict[tuple[bool, bool], Kind] = {
    (False, False): Kind.EXACT,
    (True, True): Kind.CONTAINS,
    (False, True): Kind.STARTS,
    (True, False): Kind.ENDS,
}


class MissingListError(Exception):
    """A placeholder has no list, so the rule can match nothing."""


class Predicates:
    """Numbers every distinct predicate once, for all rules of a rule set together."""

    def __init__(self) -> None:
        self.numbers: dict[Predicate, int] = {}
        self.all: list[Predicate] = []
        self.uses: list[int] = []
        """How many rules speak of it."""

    def number(self, predicate: Predicate) -> int:
        """The number of a predicate, new or known."""
        found = self.numbers.setdefault(predicate, len(self.all))
        if found == len(self.all):
            self.all.append(predicate)
            self.uses.append(0)
        self.uses[found] += 1
        return found

    def rarity(self, number: int) -> float:
        """A guess at how seldom it holds: few rules share it, and it asks for much text."""
        predicate = self.all[number]
        if predicate.kind in (Kind.ABSENT, Kind.PRESENT):
            return -1.0
        length = len(predicate.value) if isinstance(predicate.value, str) else 4
        return min(length, 16) - 4.0 * self.uses[number].bit_length()


class RuleCompiler:
    """Compiles rules one after another into conditions over the same predicates."""

    def __init__(self, predicates: Predicates, lists: Mapping[str, Sequence[str]]) -> None:
        self._predicates = predicates
        self._lists = lists

    def compile(self, rule: SigmaRule) -> Condition:
        """The rule's condition; several conditions are alternatives.

        Raises MissingListError for a placeholder without a list, ValueError for what cannot be
        evaluated, and pySigma's SigmaError for a condition that cannot be parsed.
        """
        parsed = [condition.parsed for condition in rule.detection.parsed_condition]
        if any(tree is None for tree in parsed):
            raise ValueError("nothing is left of the detection after the processing pipeline")
        return join(Any, [self._tree(tree) for tree in parsed])

    def _tree(self, node: Anything) -> Condition:
        if isinstance(node, ConditionAND):
            return join(All, [self._tree(part) for part in node.args if part is not None])
        if isinstance(node, ConditionOR):
            return join(Any, [self._tree(part) for part in node.args if part is not None])
        if isinstance(node, ConditionNOT):
            return Not(self._tree(node.args[0]))
        if isinstance(node, ConditionFieldEqualsValueExpression):
            return self.value(node.field, node.value)
        if isinstance(node, ConditionValueExpression):
            return self.value(None, node.value)
        raise ValueError(f"expected a condition, found {type(node).__name__}")

    def value(self, field: str | None, value: SigmaType) -> Condition:
        """What one value of an item asks of a field, or of all values where that is None.

        Raises MissingListError and ValueError as `compile` does.
        """
        if isinstance(value, SigmaExpansion):
            return join(Any, [self.value(field, each) for each in value.values])
        if isinstance(value, SigmaString | SigmaRegularExpression) and (
            value.contains_placeholder()
        ):
            return join(Any, [self.value(field, each) for each in self._expand(value)])
        if isinstance(value, SigmaExists) and not value.exists:
            return Not(self._one(Predicate(field, Kind.PRESENT)))
        return self._one(predicate_of(field, value))

    def _one(self, predicate: Predicate) -> Condition:
        return one(self._predicates.number(predicate))

    def _expand(self, value: SigmaString | SigmaRegularExpression) -> Iterator[SigmaType]:
        string = value if isinstance(value, SigmaString) else value.regexp
        names = [part.name for part in string.s if isinstance(part, Placeholder)]
        missing = [name for name in names if name not in self._lists]
        if missing:
            raise MissingListError(f"no list for the placeholder %{missing[0]}%")
        choices = [
            [
                SigmaString(each).s if isinstance(value, SigmaString) else [each]
                for each in self._lists[part.name]
            ]
            if isinstance(part, Placeholder)
            else [[part]]
            for part in string.s
        ]
        for count, parts in enumerate(product(*choices)):
            if count == MAX_EXPANSIONS:
                raise ValueError(f"placeholders expand to more than {MAX_EXPANSIONS:,} values")
            expanded = type(string)()
            expanded.s = [piece for part in parts for piece in part]
            if isinstance(value, SigmaString):
                yield expanded
            else:
                yield SigmaRegularExpression(str(expanded), value.flags)


def predicate_of(field: str | None, value: SigmaType) -> Predicate:
    """The predicate that one value of a rule stands for. Raises ValueError if there is none."""
    if isinstance(value, SigmaString):
        return _string(field, value)
    if isinstance(value, SigmaTimestampPart):
        return Predicate(field, Kind.TIME, (value.timestamp_part.name.lower(), int(value.number)))
    if isinstance(value, SigmaNumber):
        return _text(field, (text_of(value.number),), cased=False)
    if isinstance(value, SigmaBool):
        return _text(field, (text_of(value.boolean),), cased=False)
    if isinstance(value, SigmaRegularExpression):
        flags = "".join(sorted(value.sigma_to_re_flag[flag] for flag in value.flags))
        regex(flags, str(value.regexp))
        return Predicate(field, Kind.REGEX, (flags, str(value.regexp)))
    if field is None:
        raise ValueError(f"a keyword is text or a number, not {type(value).__name__}")
    if isinstance(value, SigmaNull):
        return Predicate(field, Kind.ABSENT)
    if isinstance(value, SigmaExists):
        return Predicate(field, Kind.PRESENT)
    if isinstance(value, SigmaCIDRExpression):
        return Predicate(field, Kind.CIDR, value.network)
    if isinstance(value, SigmaCompareExpression):
        return Predicate(field, Kind.NUMBER, (value.op.name.lower(), value.number.number))
    if isinstance(value, SigmaFieldReference):
        how = SIMPLE[value.ends_with, value.starts_with]
        return Predicate(field, Kind.REFERENCE, (how, value.field))
    raise ValueError(f"values of type {type(value).__name__} are not supported")


def _string(field: str | None, value: SigmaString) -> Predicate:
    parts = [WILDS[part] if isinstance(part, SpecialChars) else str(part) for part in value.s]
    return _text(field, tuple(parts), cased=isinstance(value, SigmaCasedString))


def _text(field: str | None, parts: Pattern, *, cased: bool) -> Predicate:
    """The simplest kind that says the same. A keyword may stand anywhere in a value."""
    if field is None:
        parts = (Wild.TEXT, *parts, Wild.TEXT)
    merged: list[str | Wild] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part and not (part is Wild.TEXT and merged[-1:] == [Wild.TEXT]):
            merged.append(part)
    if not cased:
        merged = [part if isinstance(part, Wild) else part.lower() for part in merged]
    if merged == [Wild.TEXT]:
        return Predicate(field, Kind.PRESENT)
    first, last = merged[:1] == [Wild.TEXT], merged[-1:] == [Wild.TEXT]
    literals = merged[first : len(merged) - last]
    if not any(isinstance(part, Wild) for part in literals):
        literal = "".join(str(part) for part in literals)
        return Predicate(field, SIMPLE[first, last], literal, cased)
    return Predicate(field, Kind.WILD, tuple(merged), cased)
