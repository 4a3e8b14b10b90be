"""The cases beside a rule: events that it must match and events that it must not."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rules.documents import CASES_ENDING, Document, Fault, documents, read_file

KINDS = {"match": True, "no_match": False}


@dataclass(frozen=True)
class Case:
    """One event and whether its rule must match it."""

    matches: bool
    index: int
    """From 0 among the cases of its kind."""
    event: Mapping[str, Any]
    why: str = ""

    def __str__(self) -> str:
        kind = "match" if self.matches else "no_match"
        return f"{kind}[{self.index}]" + (f" ({self.why})" if self.why else "")


def cases_path(rule: str | Path) -> Path:
    """Where the cases of the rule file `rule` stand: `whoami.yml` has `whoami.cases.yml`."""
    path = Path(rule)
    return path.with_name(path.stem + CASES_ENDING)


def read_cases(rule: str | Path) -> tuple[list[Case], list[Fault]]:
    """The cases beside a rule file, and what is wrong with them. A missing file is a fault."""
    path = cases_path(rule)
    if not path.is_file():
        return [], [Fault(str(path), 1, f"no cases: expected '{path.name}' beside the rule")]
    faults: list[Fault] = []
    found = list(documents(str(path), read_file(path, faults), faults))
    if faults:
        return [], faults
    if len(found) != 1 or not isinstance(found[0].content, dict):
        message = "expected one map with `match:` and `no_match:`, each a list of events"
        return [], [Fault(str(path), 1, message)]
    return _cases(found[0])


def _cases(document: Document) -> tuple[list[Case], list[Fault]]:
    cases: list[Case] = []
    faults: list[Fault] = []

    def fault(key: str, message: str) -> None:
        faults.append(Fault(document.path, document.line_of(key), message))

    for key in document.content:
        if key not in KINDS:
            fault(str(key), f"unknown key '{key}'; known: {', '.join(KINDS)}")
    for key, matches in KINDS.items():
        entries = document.content.get(key)
        if not isinstance(entries, list) or not entries:
            fault(key, f"`{key}:` should be a list of at least one event")
            continue
        for index, entry in enumerate(entries):
            case = _case(entry, index, matches=matches)
            if case is None:
                fault(key, f"{key}[{index}] should be an event (a map of fields)")
            else:
                cases.append(case)
    return cases, faults


def _case(entry: object, index: int, *, matches: bool) -> Case | None:
    """An entry is the event itself, or `event:` with `why:`."""
    if not isinstance(entry, dict):
        return None
    wrapped = entry.keys() <= {"event", "why"} and isinstance(entry.get("event"), dict)
    event, why = (entry["event"], str(entry.get("why", ""))) if wrapped else (entry, "")
    if not event or not all(isinstance(name, str) for name in event):
        return None
    return Case(matches, index, event, why)
