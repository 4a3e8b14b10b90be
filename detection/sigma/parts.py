"""A rule taken apart as its author put it together: condition, selections, lines, values."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from sigma.conditions import (
    ConditionAND,
    ConditionIdentifier,
    ConditionNOT,
    ConditionOR,
    ConditionSelector,
)
from sigma.rule import SigmaDetection, SigmaDetectionItem
from sigma.types import SigmaNull, SigmaType

from detection.sigma.compile import RuleCompiler
from detection.sigma.condition import ALWAYS, Condition
from detection.sigma.written import Written
from rules.catalog import Rule


class How(StrEnum):
    """How a part's truth follows from the parts within it."""

    ALL = "all"
    ANY = "any"
    NOT = "not"
    VALUE = "value"


class Node(NamedTuple):
    """A part of a rule, before any event is looked at."""

    how: How
    says: str
    """As the author wrote it."""
    nodes: tuple["Node", ...] = ()
    field: str | None = None
    """Of a value: the field asked; None for a keyword."""
    condition: Condition = ALWAYS
    """Of a value: over the compiler's predicates."""
    listed: bool = False
    """Whether the parts are values of one line of the rule."""


LINKED = {ConditionAND: How.ALL, ConditionOR: How.ANY}


def take_apart(rule: Rule, written: Written, compiler: RuleCompiler) -> Node:
    """The rule's parts; its conditions are alternatives.

    Raises what RuleCompiler.compile raises.
    """
    return _Taking(rule, written, compiler).whole()


class _Taking:
    """Follows pySigma's own way from the parsed condition to values, keeping the names."""

    def __init__(self, rule: Rule, written: Written, compiler: RuleCompiler) -> None:
        self._detections = rule.sigma.detection
        self._written = written
        self._compiler = compiler

    def whole(self) -> Node:
        conditions = [self._condition(each) for each in self._detections.parsed_condition]
        if len(conditions) == 1:
            return conditions[0]
        return Node(How.ANY, f"one of {len(conditions)} conditions", tuple(conditions))

    def _condition(self, condition: Any) -> Node:
        term = condition.parse(postprocess=False)
        built = self._term(term)
        if built is None:
            raise ValueError("nothing is left of the detection after the processing pipeline")
        says = f"condition: {condition.condition}"
        if isinstance(term, ConditionAND | ConditionOR) and len(built.nodes) > 1:
            return built._replace(says=says)
        return Node(How.ALL, says, (built,))

    def _term(self, node: Any) -> Node | None:
        if isinstance(node, ConditionIdentifier):
            return self._selection(node.identifier)
        if isinstance(node, ConditionSelector):
            names = [
                each.identifier for each in node.resolve_referenced_detections(self._detections)
            ]
            node.postprocess(self._detections)  # says so if there are none
            says = f"{node.args[0]} of {node.pattern}"
            return _group(LINKED[node.cond_class], says, map(self._selection, names), named=True)
        if isinstance(node, ConditionNOT):
            inner = self._term(node.args[0])
            if inner is None:
                raise ValueError("nothing is left of what `not` denies after the pipeline")
            return Node(How.NOT, f"not {_operand(inner)}", (inner,))
        if isinstance(node, ConditionAND | ConditionOR):
            parts = [each for part in node.args if (each := self._term(part)) is not None]
            word = " and " if isinstance(node, ConditionAND) else " or "
            return _group(LINKED[type(node)], word.join(map(_operand, parts)), parts)
        raise ValueError(f"expected a condition, found {type(node).__name__}")

    def _selection(self, name: str) -> Node | None:
        detection = self._detections.detections.get(name)
        if detection is None:
            raise ValueError(f"the condition names '{name}', which is no selection of the rule")
        return self._detection(detection, name)

    def _detection(self, detection: SigmaDetection, says: str) -> Node | None:
        items = detection.detection_items
        parts = [
            self._item(each)
            if isinstance(each, SigmaDetectionItem)
            else self._detection(each, f"map {at}")
            for at, each in enumerate(items, 1)
        ]
        if len(parts) < 2 and parts[:1] in ([], [None]):
            return None
        linking = How.ALL if len(items) == 1 else LINKED[detection.item_linking or ConditionOR]
        return _group(linking, says, parts, named=True)

    def _item(self, item: SigmaDetectionItem) -> Node | None:
        line = self._written.line(item)
        if not item.value:
            node = self._leaf(item.field, SigmaNull(), f"{line.key}: null")
        elif len(item.value) == 1:
            says = f"{line.key}: {line.values[0]}" if line.key else line.values[0]
            node = self._leaf(item.field, item.value[0], says)
        else:
            values = zip(item.value, line.values, strict=True)
            leaves = tuple(self._leaf(item.field, value, says) for value, says in values)
            says = line.key or "keywords"
            node = Node(LINKED[item.value_linking], says, leaves, item.field, listed=True)
        return Node(How.NOT, f"not {node.says}", (node,)) if item.negated else node

    def _leaf(self, field: str | None, value: SigmaType, says: str) -> Node:
        return Node(How.VALUE, says, (), field, self._compiler.value(field, value))


def _group(
    how: How, says: str, parts: Iterable[Node | None], *, named: bool = False
) -> Node | None:
    """One part of several; a lone one stands for itself unless the author named the group."""
    listed: Sequence[Node | None] = list(parts)
    kept = tuple(part for part in listed if part is not None)
    if len(listed) == 1:
        return Node(how, says, kept) if named and kept else next(iter(kept), None)
    return Node(how, says, kept)


def _operand(node: Node) -> str:
    composed = " and " in node.says or " or " in node.says
    return f"({node.says})" if composed and len(node.nodes) > 1 else node.says
