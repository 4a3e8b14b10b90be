"""How a rule's author wrote its parts, kept while pipelines and modifiers change them."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sigma.modifiers import reverse_modifier_mapping
from sigma.rule import SigmaDetection, SigmaDetectionItem

from rules.catalog import Rule


class Line(NamedTuple):
    """One line of a selection, as in `Image|endswith: [/nginx, /httpd]`."""

    key: str
    """Field and modifiers; empty for keywords."""
    values: Sequence[str]
    """One text for each value that the engine has, in its order."""


class Written:
    """The lines of one rule. Made before a pipeline is applied to it."""

    def __init__(self, rule: Rule) -> None:
        self._lines: dict[int, tuple[SigmaDetectionItem, str, list[Any]]] = {}
        definitions = rule.document.content["detection"]
        for name, detection in rule.sigma.detection.detections.items():
            for item, key, values in _pairs(detection, definitions[name]):
                self._lines[id(item)] = (item, key, values)  # kept, so that its id stays its own

    def line(self, item: SigmaDetectionItem) -> Line:
        """The line behind an item; for one that a pipeline made, as if written for it."""
        _, key, values = self._lines.get(id(item), (item, "", []))
        field, _, modifiers = key.partition("|")
        if not key:
            modifiers = "|".join(reverse_modifier_mapping[each.__name__] for each in item.modifiers)
        if field != (item.field or ""):
            field = item.field or ""  # what is looked up, after a pipeline
        shown = [shown_value(each) for each in values]
        if len(shown) != len(item.value):
            shown = [shown_value(str(each)) for each in item.value]
        return Line(f"{field}|{modifiers}" if modifiers else field, shown)


def shown_value(value: Any) -> str:
    """A value as YAML has it: text in single quotes unless it has characters that don't show."""
    if isinstance(value, str) and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    return json.dumps(value, default=str)


def _pairs(
    detection: SigmaDetection | SigmaDetectionItem, definition: Any
) -> Iterator[tuple[SigmaDetectionItem, str, list[Any]]]:
    """Every item of a detection with its key and values; pySigma keeps the order of the file."""
    if isinstance(detection, SigmaDetectionItem):
        yield detection, "", _listed(definition)
        return
    items = detection.detection_items
    if isinstance(definition, dict):
        for item, (key, value) in zip(items, definition.items(), strict=True):
            if isinstance(item, SigmaDetectionItem):
                yield item, str(key or ""), _listed(value)
    elif len(items) == 1 and isinstance(items[0], SigmaDetectionItem):
        yield items[0], "", _listed(definition)
    else:
        for item, inner in zip(items, definition, strict=True):
            yield from _pairs(item, inner)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
