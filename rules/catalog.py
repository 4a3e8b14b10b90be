"""Reads Sigma rules, collecting every fault with its file and line."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast
from uuid import NAMESPACE_URL, uuid5

from sigma.exceptions import SigmaError
from sigma.modifiers import SigmaWideModifier, modifier_mapping
from sigma.rule import SigmaRule

from collectors.logsource import LogSource
from rules.documents import Document, Fault, documents, read_file, rule_files

modifier_mapping.setdefault("utf16le", SigmaWideModifier)  # in the specification, not in pySigma

DEFAULT_LEVEL = "medium"
"""Of a rule that names none; `rules check` asks for one."""
HUNTING_TAG = "detection.threat-hunting"


@dataclass(frozen=True)
class RuleInfo:
    """What is worth knowing of a rule once it runs."""

    id: str
    title: str
    level: str
    ruleset: str
    """`hunting` for a rule tagged so, else nothing; with the level it gives the default state."""
    logsource: LogSource
    path: str
    line: int
    tags: tuple[str, ...] = ()
    advice: str = ""
    """One sentence for whoever gets the alert (the rule's own attribute `advice`)."""
    description: str = ""


@dataclass(frozen=True)
class Rule:
    """One rule as read: where it stands, and pySigma's view of it."""

    info: RuleInfo
    document: Document
    sigma: SigmaRule


@dataclass
class Catalog:
    """All rules that could be read, in the order of their ids, and all that could not."""

    rules: list[Rule] = field(default_factory=list)
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
    for file in rule_files(paths):
        known = len(catalog.faults)
        data = read_file(file, catalog.faults)
        digest.update(len(data).to_bytes(8, "big") + data)
        found = list(documents(str(file), data, catalog.faults))
        catalog.failed += len(catalog.faults) - known
        for document in found:
            rule = parse(document, catalog.faults)
            if rule is None:
                catalog.failed += 1
                continue
            first = seen.setdefault(rule.info.id, rule.info)
            if first is not rule.info:
                where = f"{first.path}:{first.line}"
                message = f"id {rule.info.id} is taken by the rule at {where}; give each its own"
                catalog.faults.append(Fault(str(file), document.line_of("id"), message))
                catalog.failed += 1
                continue
            catalog.rules.append(rule)
    catalog.rules.sort(key=lambda rule: rule.info.id)
    catalog.digest = digest.hexdigest()
    return catalog


def parse(document: Document, faults: list[Fault]) -> Rule | None:
    """Make a rule of a document, or note why not."""
    path, content = document.path, document.content
    if not isinstance(content, dict):
        message = f"expected a rule (a map), found {type(content).__name__}"
        faults.append(Fault(path, document.line, message))
        return None
    for kind in ("correlation", "filter", "action"):
        if kind in content and "detection" not in content:
            message = f"a Sigma {kind} document; this version evaluates detection rules only"
            faults.append(Fault(path, document.line_of(kind), message))
            return None
    try:
        sigma = SigmaRule.from_dict(content, collect_errors=True)
    except (SigmaError, TypeError, ValueError, AttributeError, RecursionError) as error:
        faults.append(Fault(path, document.line, f"not a Sigma rule: {error}"))
        return None
    faults += [Fault(path, line_for(each, document), _message(each)) for each in sigma.errors]
    if any("|" in str(condition) for condition in sigma.detection.condition):
        message = "an old condition with a pipe; this version evaluates one event at a time"
        faults.append(Fault(path, document.line_of("condition"), message))
        return None
    if sigma.errors:
        return None
    return Rule(_info(sigma, document), document, sigma)


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


def _info(sigma: SigmaRule, document: Document) -> RuleInfo:
    asked = sigma.logsource
    tags = tuple(str(tag) for tag in sigma.tags)
    return RuleInfo(
        id=str(sigma.id or uuid5(NAMESPACE_URL, f"{asked.to_dict()} {sigma.title}")),
        title=sigma.title,
        level=sigma.level.name.lower() if sigma.level else DEFAULT_LEVEL,
        ruleset="hunting" if HUNTING_TAG in tags else "",
        logsource=LogSource(
            *((part or "").lower() for part in (asked.product, asked.category, asked.service))
        ),
        path=document.path,
        line=document.line,
        tags=tags,
        advice=str(sigma.custom_attributes.get("advice", "")).strip(),
        description=(sigma.description or "").strip(),
    )


def _message(error: SigmaError) -> str:
    return str(cast("Any", error).args[0] if error.args else error)
