"""Rules that search and engine answer differently, and the property of each that is why."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from sigma.rule import SigmaDetection, SigmaRule
from sigma.types import SigmaExpansion, SigmaFieldReference, SigmaRegularExpression, SigmaString

from detection.sigma.values import find
from tests.integration.lucene_regex import is_case_sensitive, widest_repeat

MOST_WILDCARDS = 1_500
LONG_REPEAT = 10


class Reason(StrEnum):
    """Why a rule's query does not find what the rule matches."""

    NO_LIST = "asks for a list of the tenant's own, so that it matches nothing and has no query"
    TWO_FIELDS = "compares two fields, which a query string cannot"
    CASE = "has an expression that goes by case, which the index has not"
    REPEAT = "has an expression with long bounded repeats, too costly for an automaton"
    WILDCARDS = "has more wildcards than a node of 1 GB compiles at once"
    SEVERAL = "asks for a whole value of a field that has several, which a column holds as one"


LUCENE: Mapping[str, Reason] = {
    "8b7e2c54-1f93-4a6d-b8e0-3c9d7f25a168": Reason.NO_LIST,
    "c4a1f389-2e6b-4d9a-8f0c-b73e5a12d947": Reason.NO_LIST,
    "055fb148-60f8-462d-ad16-26926ce050f1": Reason.TWO_FIELDS,
    "bafd07c6-3ea5-454a-b4be-058fbb073de7": Reason.TWO_FIELDS,
    "d2b7a134-9c3e-4f8a-b56d-e0c1f8a29b47": Reason.TWO_FIELDS,
    "e3c6d245-7b8f-4e2a-c17f-a9d0e5b38f62": Reason.TWO_FIELDS,
    "f01d1f70-cd41-42ec-9c0b-26dd9c22bf29": Reason.TWO_FIELDS,
    "4bf943c6-5146-4273-98dd-e958fd1e3abf": Reason.CASE,
    "064060aa-09fb-4636-817f-020a32aa7e9e": Reason.REPEAT,
    "589ac73f-8e12-409c-964e-31a2f5775ae2": Reason.REPEAT,
    "63bf8794-9917-45bc-88dd-e1b5abc0ecfd": Reason.REPEAT,
    "d0d28567-4b9a-45e2-8bbc-fb1b66a1f7f6": Reason.REPEAT,
    "f1531fa4-5b84-4342-8f68-9cf3fdbd83d4": Reason.REPEAT,
    "7aaaf4b8-e47c-4295-92ee-6ed40a6f60c8": Reason.WILDCARDS,
}
SQLITE: Mapping[str, Reason] = {
    "8b7e2c54-1f93-4a6d-b8e0-3c9d7f25a168": Reason.NO_LIST,
    "c4a1f389-2e6b-4d9a-8f0c-b73e5a12d947": Reason.NO_LIST,
    "100ef69e-3327-481c-8e5c-6d80d9507556": Reason.SEVERAL,
    "a62b37e0-45d3-48d9-a517-90c1a1b0186b": Reason.SEVERAL,
}
OF_EVERY_RULE: Mapping[str, frozenset[Reason]] = {
    "lucene": frozenset({Reason.NO_LIST, Reason.TWO_FIELDS, Reason.WILDCARDS}),
    "sqlite": frozenset({Reason.NO_LIST}),
}
"""Reasons for which every rule that is so differs, whatever the events are."""


def holds(reason: Reason, rule: SigmaRule, events: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the rule, or each of the events found by one side alone, is as the reason says."""
    items = list(_items(rule))
    values = [value for _, value in items]
    expressions = [value for value in values if isinstance(value, SigmaRegularExpression)]
    match reason:
        case Reason.NO_LIST:
            return any(isinstance(v, SigmaString) and v.contains_placeholder() for v in values)
        case Reason.TWO_FIELDS:
            return any(isinstance(value, SigmaFieldReference) for value in values)
        case Reason.CASE:
            return any(is_case_sensitive(str(each.regexp)) for each in expressions)
        case Reason.REPEAT:
            return any(widest_repeat(str(each.regexp)) >= LONG_REPEAT for each in expressions)
        case Reason.WILDCARDS:
            wild = sum(isinstance(v, SigmaString) and v.contains_special() for v in values)
            return wild > MOST_WILDCARDS
        case Reason.SEVERAL:
            fields = {field for field, _ in items}
            return all(any(isinstance(find(e, f), tuple) for f in fields) for e in events)


def _items(rule: SigmaRule) -> Iterator[tuple[str, Any]]:
    pending: list[Any] = list(rule.detection.detections.values())
    while pending:
        node = pending.pop()
        if isinstance(node, SigmaDetection):
            pending += node.detection_items
            continue
        for value in node.value:
            several = value.values if isinstance(value, SigmaExpansion) else [value]
            yield from ((node.field, each) for each in several)
