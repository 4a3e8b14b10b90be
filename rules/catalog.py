"""Reads Sigma rules from files and folders, collecting every fault with its file and line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast
from uuid import NAMESPACE_URL, uuid5

import yaml
from sigma.exceptions import SigmaError
from sigma.modifiers import SigmaWideModifier, modifier_mapping
from sigma.rule import SigmaRule

from collectors.logsource import LogSource

modifier_mapping.setdefault("utf16le", SigmaWideModifier)  # in the specification, not in pySigma

RULE_ENDINGS = (".yml", ".yaml")
CASES_ENDING = ".cases.yml"
MAX_FILE_BYTES = 1_048_576
DEFAULT_LEVEL = "medium"
"""Of a rule that names none; `rules check` asks for one."""
HUNTING_TAG = "detection.threat-hunting"


@dataclass(frozen=True, order=True)
class Fault:
    """Why a rule, or part of one, is not used. `line` counts from 1."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


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
class Document:
    """One YAML document of a file and where its lines are."""

    path: str
    line: int
    content: Any
    lines: dict[str, int]
    """Line of each top-level key, and of each key below `detection`."""

    def line_of(self, *names: str) -> int:
        """The line of the first of these keys that the document has, else its own first line."""
        return next((self.lines[name] for name in names if name in self.lines), self.line)


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


def rule_files(paths: Sequence[str | Path]) -> list[Path]:
    """Every rule file named or below a folder named, once, in order. Cases files are no rules.

    Raises FileNotFoundError for a path that is not there.
    """
    found: dict[Path, Path] = {}
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f"no rules at '{path}': expected a rule file or a folder")
        candidates = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in candidates:
            named = file == path or file.suffix in RULE_ENDINGS
            if named and file.is_file() and not file.name.endswith(CASES_ENDING):
                found.setdefault(file.resolve(), file)
    return list(found.values())


def read(paths: Sequence[str | Path]) -> Catalog:
    """Read all rules at `paths`; one bad rule never hides another.

    Raises FileNotFoundError for a path that is not there.
    """
    catalog = Catalog()
    digest = blake2b(digest_size=16)
    seen: dict[str, RuleInfo] = {}
    for file in rule_files(paths):
        data = read_file(file, catalog)
        digest.update(len(data).to_bytes(8, "big") + data)
        known = len(catalog.faults)
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


def documents(path: str, data: bytes, faults: list[Fault]) -> Iterator[Document]:
    """The YAML documents of a file, as far as they can be read."""
    try:
        loader = yaml.CSafeLoader(data)
    except yaml.YAMLError as error:
        faults.append(_yaml_fault(path, error))
        return
    try:
        while loader.check_node():
            node = cast("yaml.Node", loader.get_node())
            content = loader.construct_document(node)
            if content is not None:
                yield Document(path, node.start_mark.line + 1, content, dict(_lines(node)))
    except yaml.YAMLError as error:
        faults.append(_yaml_fault(path, error))
    except (ValueError, RecursionError) as error:  # an impossible date, a bottomless nesting
        faults.append(Fault(path, 1, f"YAML cannot be read: {error}"))
    finally:
        loader.dispose()


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


def read_file(file: Path, catalog: Catalog) -> bytes:
    """A file's bytes; nothing, and a fault in the catalog, where it can't be had."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
        problem = f"larger than {MAX_FILE_BYTES:,} bytes; split it"
    except OSError as error:
        data, problem = b"", f"cannot be read: {error.strerror}"
    else:
        if len(data) <= MAX_FILE_BYTES:
            return data
    catalog.faults.append(Fault(str(file), 1, problem))
    catalog.failed += 1
    return b""


def _lines(node: yaml.Node) -> Iterator[tuple[str, int]]:
    """Key and line, those below `detection` first so that the top level's win."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if key.value == "detection" and isinstance(value, yaml.MappingNode):
            for name, definition in value.value:
                yield from _lines(definition)
                yield name.value, name.start_mark.line + 1
    for key, _ in node.value:
        if isinstance(key.value, str):
            yield key.value, key.start_mark.line + 1


def _yaml_fault(path: str, error: yaml.YAMLError) -> Fault:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return Fault(path, mark.line + 1 if mark else 1, f"not YAML: {problem}")


def _message(error: SigmaError) -> str:
    return str(cast("Any", error).args[0] if error.args else error)
