"""Every way of leaving one thing out of a rule: what its cases must notice."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple

from rules.conditions import parse, without_a_part


class Mutant(NamedTuple):
    """A rule's document with one thing left out."""

    left_out: str
    document: dict[str, Any]


def mutants(document: dict[str, Any]) -> Iterator[Mutant]:
    """Leave out each field condition, each value of a list, and each part of the condition.

    A selection whose only field condition goes would be empty: where the condition names it, the
    part of the condition that names it is left out anyway; where a pattern (`1 of selection_*`)
    does, the selection goes as a whole.
    """
    detection = document["detection"]
    for name, definition in detection.items():
        if name == "condition":
            continue
        for left_out, changed in _without_one(definition, name):
            yield Mutant(left_out, _with(document, name, changed))
        if _is_single(definition) and not _is_named(detection["condition"], name):
            yield Mutant(f"selection {name}", _with(document, name, None))
    yield from _conditions(document)


def _conditions(document: dict[str, Any]) -> Iterator[Mutant]:
    conditions = document["detection"]["condition"]
    several = conditions if isinstance(conditions, list) else [conditions]
    for index, condition in enumerate(several):
        for changed in without_a_part(parse(condition)):
            texts = [*several[:index], str(changed), *several[index + 1 :]]
            yield Mutant(
                f"condition '{condition}' as '{changed}'", _with(document, "condition", texts)
            )
        if len(several) > 1:
            texts = [*several[:index], *several[index + 1 :]]
            yield Mutant(f"condition '{condition}'", _with(document, "condition", texts))


def _without_one(definition: Any, where: str) -> Iterator[tuple[str, Any]]:
    """The definition without one of its items or values, as often as there are such."""
    if isinstance(definition, dict):
        for key, value in definition.items():
            if len(definition) > 1:
                rest = {each: kept for each, kept in definition.items() if each != key}
                yield f"{where}: {key}", rest
            for left_out, changed in _without_one(value, f"{where}: {key}"):
                yield left_out, {**definition, key: changed}
    if isinstance(definition, list):
        for index, value in enumerate(definition):
            if len(definition) > 1:
                shown = value if not isinstance(value, dict) else f"entry {index}"
                yield f"{where}: {shown!r}", definition[:index] + definition[index + 1 :]
            if isinstance(value, dict):
                for left_out, changed in _without_one(value, f"{where}[{index}]"):
                    yield left_out, [*definition[:index], changed, *definition[index + 1 :]]


def _is_single(definition: Any) -> bool:
    return not isinstance(definition, dict | list) or len(definition) == 1


def _is_named(conditions: Any, name: str) -> bool:
    text = " ".join(conditions) if isinstance(conditions, list) else str(conditions)
    return name in text.replace("(", " ").replace(")", " ").split()


def _with(document: dict[str, Any], name: str, definition: Any) -> dict[str, Any]:
    """The document with one part of its detection replaced, or removed for None."""
    changed = deepcopy(document)
    if definition is None:
        del changed["detection"][name]
    else:
        changed["detection"][name] = definition
    return changed
