"""Sigma filter documents: conditions that the matches of other rules must fulfil too."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sigma.exceptions import SigmaError
from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule

from collectors.logsource import LogSource
from rules.conditions import check_bounds, meant_by_none, spelt_out
from rules.documents import Document, Fault
from rules.info import RuleInfo
from rules.placeholders import placeholders
from rules.refusals import refusals, said_by

OWN_KEYS = ("rules", "condition")
"""Of the section `filter`; all other keys are selections."""
_WORD = re.compile(r"[\w-]+")
_KEYWORDS = frozenset({"not", "and", "or"})


@dataclass(frozen=True)
class Filter:
    """What matches of some rules must fulfil too: usually `not selection`."""

    id: str
    title: str
    document: Document
    logsource: LogSource
    rules: frozenset[str] | None
    """Ids and names; None for every rule of the log source."""
    selections: Mapping[str, Any]
    condition: str

    def concerns(self, info: RuleInfo, counting: str = "") -> bool:
        """Whether a rule is filtered by it; `counting` is the id of what was written to count it.

        That is where the rule comes of an old condition with a pipe.
        """
        if not info.logsource.serves(self.logsource):
            return False
        return self.rules is None or not self.rules.isdisjoint({info.id, info.name, counting})

    def as_rule(self, logsource: Mapping[str, str]) -> dict[str, Any]:
        """The document of a rule that matches what the filter lets pass, of a log source."""
        detection = {**self.selections, "condition": self.condition}
        return {"title": self.title, "logsource": dict(logsource), "detection": detection}


def is_filter(content: Any) -> bool:
    """Whether a document is a filter."""
    return isinstance(content, dict) and "filter" in content and "detection" not in content


def read_filter(document: Document, faults: list[Fault], *, lists: bool = False) -> Filter | None:
    """Make a filter of a document, or note why not; `lists` says whether it may ask for any."""
    content = document.content
    try:
        sigma = SigmaFilter.from_dict(content, collect_errors=True)
        problems = [(_line(error, document), said_by(error)) for error in sigma.errors]
    except (SigmaError, TypeError, ValueError, AttributeError, RecursionError) as error:
        problems = [(document.line, f"not a Sigma filter: {error}")]
    if not problems and not _are_names(content["filter"]["rules"]):
        message = "expected `any`, or ids and names of rules"
        problems = [(document.line_of("rules", "filter"), message)]
    if not problems:
        found = _of(sigma, document)
        problems = _faults_of(found, content["logsource"], lists=lists)
    faults += [Fault(document.path, line, message) for line, message in problems]
    return None if problems else found


def _are_names(rules: Any) -> bool:
    return all(isinstance(each, str) for each in (rules if isinstance(rules, list) else [rules]))


def filtered(document: Document, filters: Sequence[Filter]) -> Document:
    """A rule's document with the filters' conditions joined to its own.

    Every condition goes on speaking of its own selections: those of filters get names that only
    patterns with an underscore would mean, and such patterns become the names that they stand for.
    """
    detection = dict(document.content["detection"])
    lines = dict(document.lines)
    condition = detection.pop("condition")
    several = condition if isinstance(condition, list) else [condition]
    several = [spelt_out(each, list(detection), beginning="_") for each in several]
    joined = ""
    for number, each in enumerate(filters):
        prefix = f"_filter_{number}_"
        for name, definition in each.selections.items():
            detection[prefix + name] = definition
            lines[prefix + name] = document.line_of("condition")
        joined += f" and ({_prefixed(spelt_out(each.condition, list(each.selections)), prefix)})"
    several = [f"({own}){joined}" for own in several]
    detection["condition"] = several if isinstance(condition, list) else several[0]
    return replace(document, content={**document.content, "detection": detection}, lines=lines)


def _of(sigma: SigmaFilter, document: Document) -> Filter:
    asked, section = sigma.logsource, document.content["filter"]
    references = sigma.filter.rules
    anything = isinstance(references, str)
    return Filter(
        id=str(sigma.id or uuid5(NAMESPACE_URL, f"filter {document.path}:{document.line}")),
        title=sigma.title,
        document=document,
        logsource=LogSource(
            *((part or "").lower() for part in (asked.product, asked.category, asked.service))
        ),
        rules=None
        if anything
        else frozenset(each.reference for each in references if not isinstance(each, str)) - {""},
        selections={str(name): part for name, part in section.items() if name not in OWN_KEYS},
        condition=str(section["condition"]),
    )


def _faults_of(
    found: Filter, logsource: Mapping[str, str], *, lists: bool
) -> list[tuple[int, str]]:
    """What is wrong with its condition and selections; they are read as a rule of its own."""
    document, condition = found.document, found.document.line_of("condition", "filter")
    try:
        check_bounds(found.condition, list(found.selections))
    except ValueError as error:
        return [(condition, str(error))]
    if "|" in found.condition:
        return [(condition, "expected a condition without a pipe")]
    if not lists and placeholders(found.selections):
        message = "placeholders are for the filters of one organisation, which has the lists"
        return [(document.line_of("filter"), message)]
    unmet = [
        (condition, f"the condition asks for '{pattern}', and no selection is called so")
        for pattern in meant_by_none(found.condition, found.selections)
    ]
    if unmet:
        return unmet
    try:
        probe = SigmaRule.from_dict(found.as_rule(logsource))
        for each in probe.detection.parsed_condition:
            each.parse()
        return [(document.line_of(*keys), why) for keys, why in refusals(probe.detection)]
    except SigmaError as error:
        return [(_line(error, document), said_by(error))]
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        return [(document.line_of("filter"), f"not a Sigma filter: {error}")]


def _prefixed(condition: str, prefix: str) -> str:
    def word(found: re.Match[str]) -> str:
        return found[0] if found[0].lower() in _KEYWORDS else prefix + found[0]

    return _WORD.sub(word, condition)


def _line(error: SigmaError, document: Document) -> int:
    section = type(error).__name__.removeprefix("Sigma").removeprefix("Filter")
    return document.line_of(section.removesuffix("Error").lower(), "filter")
