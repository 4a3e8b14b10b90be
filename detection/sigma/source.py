"""All that rules asking for one log source need to be matched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from detection.sigma.compile import Predicates
from detection.sigma.condition import Condition, used, witness
from detection.sigma.keywords import can_join
from detection.sigma.lookup import Lookup, Numbered
from detection.sigma.predicates import Kind, Predicate
from detection.sigma.scan import Scanners


@dataclass(frozen=True)
class Source:
    """The compiled rules of one log source, shared by every set of log sources it is in."""

    rules: Sequence[int]
    lookups: Mapping[str, Lookup]
    joined: Sequence[Numbered]
    """Keywords that can be looked for in all values at once."""
    apart: Sequence[Numbered]
    """Keywords that must be looked for in each value by itself."""
    references: Sequence[Numbered]
    witnessed: Mapping[int, Sequence[int]]
    """Predicate to the rules that can only match if it, or another such, holds."""
    always: Sequence[int]
    """Rules that must be looked at whatever holds."""


@dataclass
class _Parts:
    fields: dict[str, list[Numbered]] = field(default_factory=dict)
    joined: list[Numbered] = field(default_factory=list)
    apart: list[Numbered] = field(default_factory=list)
    references: list[Numbered] = field(default_factory=list)


def compile_source(
    rules: Mapping[int, Condition], predicates: Predicates, scanners: Scanners
) -> Source:
    """Compile the rules (number to condition) that ask for one log source."""
    parts = _Parts()
    for number in sorted({each for condition in rules.values() for each in used(condition)}):
        _sort(number, predicates.all[number], parts)
    witnessed: dict[int, list[int]] = {}
    always: list[int] = []
    for rule, condition in rules.items():
        found = witness(condition, predicates.rarity)
        if found is None:
            always.append(rule)
        for number in found or ():
            witnessed.setdefault(number, []).append(rule)
    return Source(
        rules=tuple(rules),
        lookups={name: Lookup(each, scanners) for name, each in parts.fields.items()},
        joined=parts.joined,
        apart=parts.apart,
        references=parts.references,
        witnessed=witnessed,
        always=always,
    )


def _sort(number: int, predicate: Predicate, parts: _Parts) -> None:
    entry = (number, predicate)
    if predicate.kind is Kind.REFERENCE:
        parts.references.append(entry)
    elif predicate.field is not None:
        parts.fields.setdefault(predicate.field, []).append(entry)
    elif can_join(predicate):
        parts.joined.append(entry)
    else:
        parts.apart.append(entry)
