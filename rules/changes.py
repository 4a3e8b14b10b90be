"""What one rule set has that another has not: the report of an import."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import msgspec

from rules.documents import Fault
from rules.info import RuleInfo


class Standing(msgspec.Struct, frozen=True):
    """A rule that can be used, and what its text hashes to."""

    id: str
    title: str
    level: str
    text: bytes


class Named(msgspec.Struct, frozen=True):
    """A rule as a report names it."""

    id: str
    title: str
    level: str


class Remark(msgspec.Struct, frozen=True):
    """What in the set can't be used, or not as its author may think; paths are within the set."""

    path: str
    line: int
    why: str


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """From the set in force to another; rules are the same if their ids are."""

    new: Sequence[Named]
    changed: Sequence[Named]
    gone: Sequence[Named]
    same: int
    refused: Sequence[Remark]
    noted: Sequence[Remark]


def standing(rules: Iterable[RuleInfo]) -> dict[str, Standing]:
    """Rules by id, their texts read from their files again."""
    lines: dict[str, list[bytes]] = {}
    found: dict[str, Standing] = {}
    for rule in rules:
        if rule.path not in lines:
            lines[rule.path] = Path(rule.path).read_bytes().splitlines()
        text = _document(lines[rule.path], rule.line)
        found[rule.id] = Standing(rule.id, rule.title, rule.level, text)
    return found


def changes(
    before: Mapping[str, Standing],
    after: Mapping[str, Standing],
    *,
    refused: Sequence[Remark] = (),
    noted: Sequence[Remark] = (),
) -> Changes:
    """Compare two sets, each list in the order of titles."""
    both = before.keys() & after.keys()
    changed = {each for each in both if before[each].text != after[each].text}
    return Changes(
        new=_named(after[each] for each in after.keys() - both),
        changed=_named(after[each] for each in changed),
        gone=_named(before[each] for each in before.keys() - both),
        same=len(both) - len(changed),
        refused=refused,
        noted=noted,
    )


def remarks(faults: Iterable[Fault], folder: Path) -> list[Remark]:
    """Faults of files below `folder`, in order, with their paths from there on."""
    found: list[Remark] = []
    for fault in sorted(faults):
        path = Path(fault.path)
        inside = path.relative_to(folder) if path.is_relative_to(folder) else path
        found.append(Remark(inside.as_posix(), fault.line, fault.message))
    return found


def _document(lines: Sequence[bytes], first: int) -> bytes:
    """A hash of the YAML document that begins on this line, counted from 1."""
    digest = blake2b(digest_size=16)
    for line in lines[first - 1 :]:
        if line.startswith(b"---"):
            break
        digest.update(line.rstrip() + b"\n")
    return digest.digest()


def _named(rules: Iterable[Standing]) -> list[Named]:
    named = [Named(each.id, each.title, each.level) for each in rules]
    return sorted(named, key=lambda each: (each.title, each.id))
