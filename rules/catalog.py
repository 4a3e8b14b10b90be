"""Reads Sigma rules, collecting every fault with its file and line."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast

from sigma.exceptions import SigmaError
from sigma.modifiers import SigmaWideModifier, modifier_mapping
from sigma.rule import SigmaRule

from collectors.logsource import LogSource
from rules.conditions import meant_by_none
from rules.correlations import Correlation, read_correlation, resolve
from rules.documents import Document, Fault, documents, read_file, rule_files
from rules.info import DEFAULT_LEVEL, HUNTING_TAG, RuleInfo, info_of
from rules.old_conditions import correlation_of, piped, without_pipe

__all__ = [
    "DEFAULT_LEVEL",
    "HUNTING_TAG",
    "Catalog",
    "Correlation",
    "Rule",
    "RuleInfo",
    "entry",
    "line_for",
    "parse",
    "read",
    "resolved",
]

modifier_mapping.setdefault("utf16le", SigmaWideModifier)  # in the specification, not in pySigma


@dataclass(frozen=True)
class Rule:
    """One rule as read: where it stands, and pySigma's view of it."""

    info: RuleInfo
    document: Document
    sigma: SigmaRule
    correlation: Correlation | None = None
    """What counts it, where the rule was written with an old condition with a pipe."""


@dataclass
class Catalog:
    """All rules that could be read, in the order of their ids, and all that could not."""

    rules: list[Rule] = field(default_factory=list)
    correlations: list[Correlation] = field(default_factory=list)
    """Each after those that it refers to."""
    faults: list[Fault] = field(default_factory=list)
    failed: int = 0
    """How many documents and unreadable files are not among the rules."""
    digest: str = ""
    """Of every byte of every file read."""


def read(paths: Sequence[str | Path]) -> Catalog:
    """Read all rules at `paths`; one bad rule never hides another.

    Raises FileNotFoundError for a path that is not there.
    """
    catalog = Catalog()
    digest = blake2b(digest_size=16)
    seen: dict[str, RuleInfo] = {}
    correlations: list[Correlation] = []
    for file in rule_files(paths):
        known = len(catalog.faults)
        data = read_file(file, catalog.faults)
        digest.update(len(data).to_bytes(8, "big") + data)
        found = list(documents(str(file), data, catalog.faults))
        catalog.failed += len(catalog.faults) - known
        for document in found:
            each = entry(document, catalog.faults)
            if each is None or _taken(each, document, seen, catalog.faults):
                catalog.failed += 1
            elif isinstance(each, Correlation):
                correlations.append(each)
            else:
                catalog.rules.append(each)
    catalog.rules.sort(key=lambda rule: rule.info.id)
    catalog.correlations = resolved(catalog.rules, correlations, catalog.faults)
    counting = sum(rule.correlation is not None for rule in catalog.rules)
    catalog.failed += len(correlations) + counting - len(catalog.correlations)
    catalog.digest = digest.hexdigest()
    return catalog


def entry(document: Document, faults: list[Fault]) -> Rule | Correlation | None:
    """Make a rule or a correlation of a document, or note why not."""
    content = document.content
    if isinstance(content, dict) and "correlation" in content and "detection" not in content:
        return read_correlation(document, faults)
    return parse(document, faults)


def resolved(
    rules: Sequence[Rule], correlations: Sequence[Correlation], faults: list[Fault]
) -> list[Correlation]:
    """All correlations that stand, old conditions among them, with ids for names."""
    old = [rule.correlation for rule in rules if rule.correlation is not None]
    candidates = sorted([*correlations, *old], key=lambda each: each.info.id)
    names: dict[str, list[str]] = {}
    named = [(rule.info.id, rule.sigma.name) for rule in rules if rule.correlation is None]
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
    for kind in ("filter", "action"):
        if kind in content and "detection" not in content:
            message = f"a Sigma {kind} document; this version evaluates rules and correlations only"
            faults.append(Fault(path, document.line_of(kind), message))
            return None
    old = piped(content)
    source = without_pipe(document) if old else document
    try:
        sigma = SigmaRule.from_dict(source.content, collect_errors=True)
    except (SigmaError, TypeError, ValueError, AttributeError, RecursionError) as error:
        faults.append(Fault(path, document.line, f"not a Sigma rule: {error}"))
        return None
    faults += [Fault(path, line_for(each, document), _message(each)) for each in sigma.errors]
    unmet = _unmet(sigma)
    faults += [Fault(path, document.line_of("condition"), each) for each in unmet]
    if sigma.errors or unmet:
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


def _unmet(sigma: SigmaRule) -> list[str]:
    """What a condition asks for that is not there; pySigma would read it as nothing at all."""
    detection = sigma.detection
    return [
        f"the condition '{condition}' asks for '{pattern}', and no selection is called so"
        for condition in detection.condition
        for pattern in meant_by_none(condition, detection.detections)
    ]


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
    each: Rule | Correlation, document: Document, seen: dict[str, RuleInfo], faults: list[Fault]
) -> bool:
    """Whether another rule has the id already, which is a fault of this one."""
    counting = each.correlation if isinstance(each, Rule) else None
    info = (counting or each).info
    first = seen.setdefault(info.id, info)
    if first is info:
        return False
    message = f"id {info.id} is taken by the rule at {first.path}:{first.line}; give each its own"
    faults.append(Fault(document.path, document.line_of("id"), message))
    return True


def _info(sigma: SigmaRule, document: Document) -> RuleInfo:
    asked = sigma.logsource
    parts = (asked.product, asked.category, asked.service)
    source = LogSource(*((part or "").lower() for part in parts))
    return info_of(sigma, document, source, str(asked.to_dict()))


def _message(error: SigmaError) -> str:
    return str(cast("Any", error).args[0] if error.args else error)
