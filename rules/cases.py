"""The cases beside a rule: events that it must match and events that it must not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rules.documents import CASES_ENDING, Document, Fault, documents, read_file

KINDS = {"match": True, "no_match": False}
PLURALS = {"event": "events", "story": "stories"}
NO_EVENT = "should be an event (a map of fields)"

Kept = TypeVar("Kept")


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
    return read_beside(rule, "event", _case)


def read_beside(
    rule: str | Path, what: str, make: Callable[[Any, int, bool], Kept]
) -> tuple[list[Kept], list[Fault]]:
    """What the file beside a rule lists under `match:` and `no_match:`, and what is wrong with it.

    `make` turns an entry, its index and whether it is to match into what is kept; it raises
    ValueError for an entry that is no `what`.
    """
    path = cases_path(rule)
    if not path.is_file():
        return [], [Fault(str(path), 1, f"no cases: expected '{path.name}' beside the rule")]
    faults: list[Fault] = []
    found = list(documents(str(path), read_file(path, faults), faults))
    if faults:
        return [], faults
    if len(found) != 1 or not isinstance(found[0].content, dict):
        plural = PLURALS[what]
        message = f"expected one map with `match:` and `no_match:`, each a list of {plural}"
        return [], [Fault(str(path), 1, message)]
    return _entries(found[0], what, make)


def _entries(
    document: Document, what: str, make: Callable[[Any, int, bool], Kept]
) -> tuple[list[Kept], list[Fault]]:
    kept: list[Kept] = []
    faults: list[Fault] = []

    def fault(key: str, message: str) -> None:
        faults.append(Fault(document.path, document.line_of(key), message))

    for key in document.content:
        if key not in KINDS:
            fault(str(key), f"unknown key '{key}'; known: {', '.join(KINDS)}")
    for key, matches in KINDS.items():
        entries = document.content.get(key)
        if not isinstance(entries, list) or not entries:
            fault(key, f"`{key}:` should be a list of at least one {what}")
            continue
        for index, entry in enumerate(entries):
            try:
                kept.append(make(entry, index, matches))
            except ValueError as error:
                fault(key, f"{key}[{index}] {error}")
    return kept, faults


def _case(entry: Any, index: int, matches: bool) -> Case:
    """An entry is the event itself, or `event:` with `why:`."""
    event, why = entry, ""
    told = isinstance(entry, dict) and entry.keys() <= {"event", "why"}
    if told and isinstance(entry.get("event"), dict):
        event, why = entry["event"], str(entry.get("why", ""))
    if not isinstance(event, dict) or not event or not all(isinstance(n, str) for n in event):
        raise ValueError(NO_EVENT)
    return Case(matches, index, event, why)
