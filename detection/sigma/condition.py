"""A rule's condition over predicates, answered from the set of those that hold."""

from collections.abc import Callable, Iterable, Sequence
from typing import Union, final

import msgspec

Held = frozenset[int]
"""Numbers of the predicates that hold for an event."""


@final
class All(msgspec.Struct, frozen=True, array_like=True, tag="all"):
    """True if all of these predicates hold and all of these parts are true."""

    predicates: frozenset[int]
    parts: tuple["Condition", ...] = ()


@final
class Any(msgspec.Struct, frozen=True, array_like=True, tag="any"):
    """True if one of these predicates holds or one of these parts is true."""

    predicates: frozenset[int]
    parts: tuple["Condition", ...] = ()


@final
class Not(msgspec.Struct, frozen=True, array_like=True, tag="not"):
    """True if the part is not."""

    part: "Condition"


Condition = Union[All, Any, Not]  # noqa: UP007 - the parts are named by strings above
NEVER = Any(frozenset())
ALWAYS = All(frozenset())


def true_for(condition: Condition, held: Held) -> bool:
    """Whether the condition is true where exactly `held` hold."""
    if type(condition) is All:
        if not condition.predicates <= held:
            return False
        for part in condition.parts:  # noqa: SIM110 - quicker than a generator
            if not true_for(part, held):
                return False
        return True
    if type(condition) is Any:
        if not condition.predicates.isdisjoint(held):
            return True
        for part in condition.parts:  # noqa: SIM110
            if true_for(part, held):
                return True
        return False
    return not true_for(condition.part, held)


def one(predicate: int) -> Condition:
    """The condition that one predicate holds."""
    return Any(frozenset((predicate,)))


def join(kind: type[All] | type[Any], parts: Iterable[Condition]) -> Condition:
    """`all of` or `any of` the parts, with nested ones of the same kind lifted up."""
    predicates: set[int] = set()
    rest: list[Condition] = []
    for part in parts:
        single = isinstance(part, All | Any) and len(part.predicates) == 1 and not part.parts
        if isinstance(part, kind) or (single and isinstance(part, All | Any)):
            predicates |= part.predicates
            rest.extend(part.parts)
        else:
            rest.append(part)
    if len(rest) == 1 and not predicates:
        return rest[0]
    return kind(frozenset(predicates), tuple(rest))


def witness(condition: Condition, rarity: Callable[[int], float]) -> frozenset[int] | None:
    """Predicates of which one must hold for the condition to be true, the rarest such set.

    None where there is no such set: the condition can be true of an event of which nothing is
    known. `rarity` is high for a predicate that seldom holds.
    """
    if isinstance(condition, Not):
        return None
    if isinstance(condition, Any):
        found = [witness(part, rarity) for part in condition.parts]
        if any(each is None for each in found):
            return None
        return condition.predicates.union(*(each for each in found if each is not None))
    candidates = [frozenset((predicate,)) for predicate in condition.predicates]
    candidates += [each for p in condition.parts if (each := witness(p, rarity)) is not None]
    return max(candidates, key=lambda each: _rarity(each, rarity), default=None)


def _rarity(predicates: frozenset[int], rarity: Callable[[int], float]) -> tuple[float, int, int]:
    if not predicates:
        return (float("inf"), 0, 0)
    return (
        min(rarity(predicate) for predicate in predicates),
        -len(predicates),
        -min(predicates),
    )


def renumbered(condition: Condition, numbers: Sequence[int]) -> Condition:
    """The same over other numbers: each predicate's is what stands at its old one.

    Raises IndexError where nothing stands there.
    """
    if isinstance(condition, Not):
        return Not(renumbered(condition.part, numbers))
    parts = tuple(renumbered(part, numbers) for part in condition.parts)
    return type(condition)(frozenset(numbers[each] for each in condition.predicates), parts)


def used(condition: Condition) -> Sequence[int]:
    """Every predicate that the condition speaks of."""
    if isinstance(condition, Not):
        return used(condition.part)
    return [*condition.predicates, *(number for part in condition.parts for number in used(part))]
