"""What a rule file must be before it ships: every fault at once, with file and line."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from sigma.exceptions import SigmaError

from rules.attack import unknown_tags
from rules.cases import read_cases
from rules.catalog import Correlation, Filter, Rule, entry, filter_rules, line_for, resolved
from rules.conditions import meant
from rules.documents import Document, Fault, documents, read_file, rule_files
from rules.stories import read_stories


def check(paths: Sequence[str | Path], *, library: bool = False) -> list[Fault]:
    """Every fault of every rule at `paths`, sorted by file and line.

    Looks for what cannot be read or parsed, unknown modifiers, conditions that name no selection,
    selections that no condition names, keys given twice, ids missing or given twice, missing
    titles and levels, tags that ATT&CK does not know, and correlations that refer to no rule or to
    themselves. A rule of our own `library` must also have cases and advice. Raises
    FileNotFoundError for a path that is not there.
    """
    faults: list[Fault] = []
    places: dict[str, str] = {}
    rules: list[Rule] = []
    correlations: list[Correlation] = []
    filters: list[Filter] = []
    for file in rule_files(paths):
        data = read_file(file, faults)
        faults += _repeated_keys(file, data)
        for document in documents(str(file), data, faults):
            each = entry(document, faults)
            if isinstance(each, Rule):
                rules.append(each)
            elif isinstance(each, Correlation):
                correlations.append(each)
            elif each is not None:
                filters.append(each)
            faults += _check(document, each, places)
            if library:
                faults += _check_ours(document)
        if library:
            counts = any(str(file) == each.info.path for each in correlations)
            faults += (read_stories if counts else read_cases)(file)[1]
    filter_rules(rules, filters, faults)
    resolved(rules, correlations, faults)
    return sorted(set(faults))


def _check(
    document: Document, rule: Rule | Correlation | Filter | None, places: dict[str, str]
) -> Iterator[Fault]:
    content = document.content
    if not isinstance(content, dict) or not {"detection", "correlation"} & content.keys():
        return
    for key in ("id", "level"):
        if not document.content.get(key):
            yield Fault(document.path, document.line, f"the rule has no {key}")
    identity = document.content.get("id")
    if isinstance(identity, str):
        here = f"{document.path}:{document.line}"
        first = places.setdefault(identity.lower(), here)
        if first != here:
            message = f"id {identity} is taken by the rule at {first}; give each its own"
            yield Fault(document.path, document.line_of("id"), message)
    if rule is None or isinstance(rule, Filter):
        return
    for tag, advice in unknown_tags(rule.info.tags):
        yield Fault(document.path, document.line_of("tags"), f"tag {tag}: {advice}")
    if not isinstance(rule, Rule):
        return
    for condition in rule.sigma.detection.parsed_condition:
        try:
            condition.parse()
        except SigmaError as error:
            yield Fault(document.path, line_for(error, document), str(error))
    yield from _unused(document)


def _unused(document: Document) -> Iterator[Fault]:
    """Selections that no condition can mean."""
    detection = document.content["detection"]
    conditions = detection["condition"]
    text = " ".join(conditions) if isinstance(conditions, list) else str(conditions)
    words = text.replace("(", " ").replace(")", " ").split()
    selections = [name for name in detection if name not in {"condition", "timeframe"}]
    used = {name for word in words for name in meant(word, selections)}
    for name in selections:
        if name not in used:
            message = f"selection '{name}' is not in the condition '{text}'"
            yield Fault(document.path, document.line_of(name), message)


def _check_ours(document: Document) -> Iterator[Fault]:
    advice = document.content.get("advice") if isinstance(document.content, dict) else None
    if not isinstance(advice, str) or not advice.strip():
        message = "no `advice`: one sentence for whoever gets the alert"
        yield Fault(document.path, document.line, message)


def _repeated_keys(file: Path, data: bytes) -> Iterator[Fault]:
    """Keys given twice in one map, of which YAML silently keeps the last."""
    try:
        nodes = list(yaml.compose_all(data, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError):  # said by whoever reads the document
        return
    seen: set[int] = set()
    pending: list[yaml.Node] = [node for node in nodes if node is not None]
    while pending:
        node = pending.pop()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            pending.extend(node.value)
        if isinstance(node, yaml.MappingNode):
            pending.extend(value for _, value in node.value)
            yield from _repeated(file, node)


def _repeated(file: Path, node: yaml.MappingNode) -> Iterator[Fault]:
    keys: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if key.value in keys:
            message = f"'{key.value}' is given twice; only the last would count"
            yield Fault(str(file), key.start_mark.line + 1, message)
        keys.add(key.value)
