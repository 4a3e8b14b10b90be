"""The tactics and techniques of MITRE ATT&CK that a rule's tags may name, from attack.yml."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

PREFIX = "attack."
_OTHERS = re.compile(r"[gsc]\d{4}")
"""Groups, software and campaigns: many, ever new, and of no use to coverage; by form alone."""


@dataclass(frozen=True)
class Attack:
    """One version of ATT&CK Enterprise."""

    version: str
    tactics: frozenset[str]
    techniques: Mapping[str, str]
    """Id, as in `T1059.001`, to name."""
    replaced: Mapping[str, str]
    """What earlier versions had, to what took its place."""


@cache
def attack() -> Attack:
    """The version that citysoc ships."""
    read = yaml.load(files("rules").joinpath("attack.yml").read_bytes(), Loader=yaml.CSafeLoader)
    return Attack(read["version"], frozenset(read["tactics"]), read["techniques"], read["replaced"])


def unknown_tags(tags: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each ATT&CK tag that names nothing of this version, and what to do about it."""
    known = attack()
    for tag in tags:
        name = tag.removeprefix(PREFIX)
        if name == tag or name in known.tactics or _OTHERS.fullmatch(name):
            continue
        technique = name.upper()
        if technique in known.techniques and name == technique.lower():
            continue
        yield tag, _advice(name, technique, known)


def _advice(name: str, technique: str, known: Attack) -> str:
    now = known.replaced.get(technique) or known.replaced.get(name.replace("_", "-"))
    hyphened = name.lower().replace("_", "-")
    if now is None and hyphened in known.tactics | {each.lower() for each in known.techniques}:
        now = hyphened
    says = f"'{name}' is nothing that ATT&CK {known.version} knows"
    return f"{says}; write {now.lower()}" if now else f"{says}; see attack.mitre.org"
