"""Reads Sigma rules, collecting every fault with its file and line."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from collectors.logsource import LogSource
from rules import encodings, numbers
from rules.conditions import check_bounds, meant_by_none
from rules.correlations import Correlation, read_correlation, resolve
from rules.documents import Document, Fault, documents, read_file, rule_files
from rules.filters import Filter, filtered, is_filter, read_filter
from rules.info import DEFAULT_LEVEL, HUNTING_TAG, RuleInfo, info_of
from rules.old_conditions import correlation_of, piped, without_pipe
from rules.refusals import refusals, said_by

__all__ = [
    "DEFAULT_LEVEL",
    "HUNTING_TAG",
    "Catalog",
    "Correlation",
    "Filter",
    "Rule",
    "RuleInfo",
    "entry",
    "line_for",
    "parse",
    "read",
    "resolved",
]

encodings.install()
numbers.install()


@dataclass(frozen=True)
class Rule:
    """One rule as read: where it stands, and pySigma's view of it."""

    info: RuleInfo
    document: Document
    sigma: SigmaRule
    correlation: Correlation | None = None
    """What counts it, where the rule was written with an old condition with a pipe."""
    mark: str = ""
    """The digest of the file that it stands in; empty where that does not say all of it."""

    @property
    def counting(self) -> str:
        """The id that its author gave it, where it was written with an old condition."""
        return "" if self.correlation is None else self.correlation.info.id


class KnownRule(Rule):
    """A rule of a file seen before, which is read again only if someone asks how it is written."""

    def __init__(self, info: RuleInfo, mark: str, data: bytes) -> None:
        self.__dict__.update(info=info, mark=mark, correlation=None, _data=data)

    @cached_property
    def document(self) -> Document:
        """Where it stands."""
        [document] = documents(self.info.path, self.__dict__["_data"], [])
        return document

    @cached_property
    def sigma(self) -> SigmaRule:
        """PySigma's view of it."""
        return SigmaRule.from_dict(self.document.content)


@dataclass
class Catalog:
    """All rules that could be read, in the order of their ids, and all that could not."""

    rules: list[Rule] = field(default_factory=list)
    correlations: list[Correlation] = field(default_factory=list)
    """Each after those that it refers to."""
    filters: list[Filter] = field(default_factory=list)
    """What is joined to the conditions of the rules that they concern."""
    faults: list[Fault] = field(default_factory=list)
    failed: int = 0
    """How many documents and unreadable files are not among the rules."""
    digest: str = ""
    """Of every byte of every file read."""


def read(
    paths: Sequence[str | Path], known: Callable[[str], RuleInfo | None] | None = None
) -> Catalog:
    """Read all rules at `paths`; one bad rule never hides another.

    `known` gives, for the digest of a file that holds one plain rule, what was read there before.
    Raises FileNotFoundError for a path that is not there.
    """
    catalog = Catalog()
    digest = blake2b(digest_size=16)
    seen: dict[str, Document | RuleInfo] = {}
    correlations: list[Correlation] = []
    for file in rule_files(paths):
        before = len(catalog.faults)
        data = read_file(file, catalog.faults)
        digest.update(len(data).to_bytes(8, "big") + data)
        mark = blake2b(data, digest_size=16).hexdigest()
        info = known(mark) if known is not None else None
        if info is not None:
            found: list[Rule | Correlation | Filter | None]
            found = [KnownRule(replace(info, path=str(file)), mark, data)]
        else:
            written = list(documents(str(file), data, catalog.faults))
            catalog.failed += len(catalog.faults) - before
            found = [entry(document, catalog.faults) for document in written]
            if len(found) == 1 and isinstance(rule := found[0], Rule) and not rule.counting:
                found = [replace(rule, mark=mark)]
        for each in found:
            if each is None or _taken(each, seen, catalog.faults):
                catalog.failed += 1
            elif isinstance(each, Correlation):
                correlations.append(each)
            elif isinstance(each, Filter):
                catalog.filters.append(each)
            else:
                catalog.rules.append(each)
    catalog.rules = filter_rules(catalog.rules, catalog.filters, catalog.faults)
    catalog.rules.sort(key=lambda rule: rule.info.id)
    catalog.correlations = resolved(catalog.rules, correlations, catalog.faults)
    counting = sum(rule.correlation is not None for rule in catalog.rules)
    catalog.failed += len(correlations) + counting - len(catalog.correlations)
    catalog.digest = digest.hexdigest()
    return catalog


def entry(document: Document, faults: list[Fault]) -> Rule | Correlation | Filter | None:
    """Make a rule, a correlation or a filter of a document, or note why not."""
    content = document.content
    if isinstance(content, dict) and "correlation" in content and "detection" not in content:
        return read_correlation(document, faults)
    if is_filter(content):
        return read_filter(document, faults)
    return parse(document, faults)


def filter_rules(
    rules: Sequence[Rule], filters: Sequence[Filter], faults: list[Fault]
) -> list[Rule]:
    """The rules with the filters that concern them, which may name rules that are not there."""
    known = {name for rule in rules for name in (rule.info.id, rule.info.name, rule.counting)}
    for each in filters:
        for missing in sorted((each.rules or frozenset()) - known):
            message = f"the filter is for '{missing}', and no rule here has that id or name"
            faults.append(Fault(each.document.path, each.document.line_of("rules"), message))
    return [_filtered(rule, filters) for rule in rules]


def _filtered(rule: Rule, filters: Sequence[Filter]) -> Rule:
    concerned = [each for each in filters if each.concerns(rule.info, rule.counting)]
    if not concerned:
        return rule
    document = filtered(rule.document, concerned)
    return Rule(rule.info, document, SigmaRule.from_dict(document.content), rule.correlation)


def resolved(
    rules: Sequence[Rule], correlations: Sequence[Correlation], faults: list[Fault]
) -> list[Correlation]:
    """All correlations that stand, old conditions among them, with ids for names."""
    old = [rule.correlation for rule in rules if rule.correlation is not None]
    candidates = sorted([*correlations, *old], key=lambda each: each.info.id)
    names: dict[str, list[str]] = {}
    named: list[tuple[str, str | None]] = [
        (rule.info.id, rule.info.name) for rule in rules if rule.correlation is None
    ]
    named += [(rule.info.id, None) for rule in rules if rule.correlation is not None]
    named += [(each.info.id, each.document.content.get("name")) for each in candidates]
    for identity, name in named:
        names.setdefault(identity, []).append(identity)
        if name:
            names.setdefault(str(name), []).append(identity)
    return resolve(candidates, names, faults)


def parse(document: Document, faults: list[Fault]) -> Rule | None:
    """Make a rule of a document, or note why not."""
    path, content = document.path, document.content
    if not isinstance(content, dict):
        message = f"expected a rule (a map), found {type(content).__name__}"
        faults.append(Fault(path, document.line, message))
        return None
    if "action" in content and "detection" not in content:
        message = "an old Sigma `action` document; write each rule whole"
        faults.append(Fault(path, document.line_of("action"), message))
        return None
    if odd := _odd(content.get("detection")):
        faults.append(Fault(path, document.line_of(odd[0], "detection"), odd[1]))
        return None
    old = piped(content)
    source = without_pipe(document) if old else document
    try:
        sigma = SigmaRule.from_dict(source.content, collect_errors=True)
    except (SigmaError, TypeError, ValueError, AttributeError, RecursionError) as error:
        faults.append(Fault(path, document.line, f"not a Sigma rule: {error}"))
        return None
    faults += [Fault(path, line_for(each, document), said_by(each)) for each in sigma.errors]
    if sigma.errors:
        return None
    problems = [*_unmet(sigma), *refusals(sigma.detection)]
    faults += [Fault(path, document.line_of(*keys), message) for keys, message in problems]
    if problems:
        return None
    info = _info(sigma, document)
    if not old:
        return Rule(info, document, sigma)
    try:
        return Rule(info, source, sigma, correlation_of(document, info))
    except ValueError as error:
        message = f"an old condition with a pipe: {error}"
        faults.append(Fault(path, document.line_of("condition"), message))
        return None


def _odd(detection: Any) -> tuple[str, str] | None:
    """What is no text to YAML, such as a number, or out of bounds: key, and what to do."""
    if not isinstance(detection, dict):
        return None
    for name in detection:
        if not isinstance(name, str):
            return "", f"expected text for the name of a selection, got {name!r}; quote it"
    condition = detection.get("condition", "")
    for each in condition if isinstance(condition, list) else [condition]:
        if not isinstance(each, str):
            return "condition", f"expected text for a condition, got {each!r}; quote it"
        try:
            check_bounds(each, list(detection))
        except ValueError as error:
            return "condition", str(error)
    return None


def _unmet(sigma: SigmaRule) -> Iterator[tuple[tuple[str, ...], str]]:
    """What a condition asks for that is not there; pySigma would read it as nothing at all."""
    detection = sigma.detection
    for condition in detection.condition:
        for pattern in meant_by_none(condition, detection.detections):
            message = f"the condition '{condition}' asks for '{pattern}'"
            yield ("condition",), f"{message}, and no selection is called so"


def line_for(error: Exception, document: Document) -> int:
    """The line that an error of pySigma is most likely about."""
    section = type(error).__name__.removeprefix("Sigma").removesuffix("Error").lower()
    section = _SECTIONS.get(section, section)
    if section in _HEADER:
        return document.line_of(section)
    text = str(error)
    suspects = [
        key
        for key in document.lines
        if any(f"'{modifier}'" in text for modifier in key.split("|")[1:])
    ]
    return document.line_of(*suspects, section, "detection")


_SECTIONS = {"identifier": "id", "tag": "tags"}
_HEADER = frozenset(
    {"title", "id", "name", "related", "taxonomy", "status", "description", "license", "author"}
    | {"references", "tags", "date", "modified", "fields", "falsepositives", "level", "scope"}
    | {"logsource"}
)


def _taken(
    each: Rule | Correlation | Filter, seen: dict[str, Document | RuleInfo], faults: list[Fault]
) -> bool:
    """Whether another rule has the id already, which is a fault of this one."""
    counting = each.correlation if isinstance(each, Rule) else None
    identity = each.id if isinstance(each, Filter) else (counting or each).info.id
    here = each.info if isinstance(each, KnownRule) else each.document
    first = seen.setdefault(identity, here)
    if first is here:
        return False
    message = f"id {identity} is taken by the rule at {first.path}:{first.line}; give each its own"
    document = each.document
    faults.append(Fault(document.path, document.line_of("id"), message))
    return True


def _info(sigma: SigmaRule, document: Document) -> RuleInfo:
    asked = sigma.logsource
    parts = (asked.product, asked.category, asked.service)
    source = LogSource(*((part or "").lower() for part in parts))
    return info_of(sigma, document, source, str(asked.to_dict()))
