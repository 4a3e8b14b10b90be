"""YAML documents of rule files and where their lines are, and every fault in reading them."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, cast

import yaml

RULE_ENDINGS = (".yml", ".yaml")
CASES_ENDING = ".cases.yml"
MAX_FILE_BYTES = 1_048_576
ALIASED_VALUES = 1_000
"""Values that any document may have, counted wherever an alias puts them again; more only as there
are bytes."""


@dataclass(frozen=True, order=True)
class Fault:
    """Why a rule, or part of one, is not used. `line` counts from 1."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Document:
    """One YAML document of a file and where its lines are."""

    path: str
    line: int
    content: Any
    lines: dict[str, int]
    """Line of each top-level key, and of each key below `detection` or `filter`."""

    def line_of(self, *names: str) -> int:
        """The line of the first of these keys that the document has, else its own first line."""
        return next((self.lines[name] for name in names if name in self.lines), self.line)


def rule_files(paths: Sequence[str | Path]) -> list[Path]:
    """Every rule file named or below a folder named, once, in order. Cases files are no rules.

    Raises FileNotFoundError for a path that is not there.
    """
    found: dict[str, Path] = {}
    for path in map(Path, paths):
        if path.is_dir():
            for real, file in _below(str(path), os.path.realpath(path)):
                found.setdefault(real, file)
        elif not path.exists():
            raise FileNotFoundError(f"no rules at '{path}': expected a rule file or a folder")
        elif path.is_file() and not path.name.endswith(CASES_ENDING):
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _below(folder: str, real: str) -> Iterator[tuple[str, Path]]:
    """Rule files with their real names, which are only asked for where a link is in the way."""
    with os.scandir(folder) as listed:
        entries = sorted(listed, key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path, os.path.join(real, entry.name))  # noqa: PTH118 - quicker
        elif entry.name.endswith(RULE_ENDINGS) and not entry.name.endswith(CASES_ENDING):
            if entry.is_symlink() and entry.is_file():
                yield os.path.realpath(entry.path), Path(entry.path)
            elif entry.is_file():
                yield os.path.join(real, entry.name), Path(entry.path)  # noqa: PTH118


def read_file(file: Path, faults: list[Fault]) -> bytes:
    """A file's bytes; nothing, and a fault, where it can't be had."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
        problem = f"larger than {MAX_FILE_BYTES:,} bytes; split it"
    except OSError as error:
        data, problem = b"", f"cannot be read: {error.strerror}"
    else:
        if len(data) <= MAX_FILE_BYTES:
            return data
    faults.append(Fault(str(file), 1, problem))
    return b""


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
            if b"&" in data and _values(node, {}) > max(ALIASED_VALUES, len(data)):
                problem = "aliases make too many values of it; write them out"
                faults.append(Fault(path, node.start_mark.line + 1, problem))
                continue
            content = loader.construct_document(node)
            if content is not None:
                yield Document(path, node.start_mark.line + 1, content, dict(_lines(node)))
    except yaml.YAMLError as error:
        faults.append(_yaml_fault(path, error))
    except (ValueError, RecursionError) as error:  # an impossible date, a bottomless nesting
        faults.append(Fault(path, 1, f"YAML cannot be read: {error}"))
    finally:
        loader.dispose()


def _values(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """How many values a node holds; more than any may where it holds itself.

    Raises RecursionError for what is nested too deeply.
    """
    if node not in known:
        known[node] = MAX_FILE_BYTES + 1
        parts: Iterable[yaml.Node] = ()
        if isinstance(node, yaml.SequenceNode):
            parts = node.value
        elif isinstance(node, yaml.MappingNode):
            parts = chain.from_iterable(node.value)
        known[node] = 1 + sum(_values(each, known) for each in parts)
    return known[node]


def _lines(node: yaml.Node) -> Iterator[tuple[str, int]]:
    """Key and line, those further down first so that the top level's win."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        if key.value in ("detection", "filter") and isinstance(value, yaml.MappingNode):
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
