"""Rules against the fields of events in files: the offline half of `citysoc rules coverage`."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, TextIO

from collectors.bus.contract import Malformed
from collectors.codec import dumps
from collectors.logsource import LogSource
from detection.coverage import Finding, Needs, Seen, State, judge, names_of, needs_of
from detection.offline import WRONG_CALL, check_file
from detection.records import events
from detection.sigma.ruleset import read_pipelines
from rules.catalog import read
from rules.schemas import NATIVE

MAX_SHOWN = 6
"""Missing fields that a line names."""
ORDER = (State.NO_FIELDS, State.NO_SOURCE, State.FINE)


def seen_in(paths: Iterable[str], schema: str = NATIVE) -> Seen:
    """The names of fields in files, by log source. Raises OSError, Malformed, ValueError."""
    seen: dict[LogSource, set[str]] = {}
    for path in paths:
        for event in events(path, schema):
            if event.fields is not None and event.logsources:
                names = names_of(event.fields)
                for source in event.logsources:
                    seen.setdefault(source, set()).update(names)
    return seen


def needs_in(rule_paths: Sequence[str | Path], pipelines: Sequence[str | Path] = ()) -> list[Needs]:
    """What the rules at these paths need. Raises FileNotFoundError, ValueError."""
    return list(needs_of(read(rule_paths).rules, pipeline=read_pipelines(pipelines)[0]))


def cover(
    rule_paths: Sequence[str],
    event_paths: Sequence[str],
    *,
    schema: str = NATIVE,
    pipelines: Sequence[str] = (),
    as_json: bool = False,
    every: bool = False,
    out: BinaryIO,
    err: TextIO,
) -> int:
    """Judge rules by the events of files. Returns the exit code: 0, or 2 for a wrong call."""
    try:
        for path in event_paths:
            check_file(path)
        needs = needs_in(rule_paths, pipelines)
        seen = seen_in(event_paths, schema)
    except (OSError, ValueError, Malformed) as error:
        print(f"citysoc rules coverage: {error}", file=err)
        return WRONG_CALL
    tell((judge(each, seen) for each in needs), as_json=as_json, every=every, out=out)
    return 0


def tell(findings: Iterable[Finding], *, as_json: bool, every: bool, out: BinaryIO) -> None:
    """Write findings, those first whose rule would work with one more field."""
    found = sorted(findings, key=lambda each: (ORDER.index(each.state), each.title, each.rule))
    counted = Counter(each.state for each in found)
    for each in found:
        if as_json:
            out.write(dumps(_value(each)) + b"\n")
        elif every or each.state is not State.FINE:
            out.write(f"{described(each)}\n".encode("utf-8", "backslashreplace"))
    if not as_json:
        said = ", ".join(f"{counted[state]:,} {state}" for state in ORDER)
        out.write(f"{len(found):,} rules: {said}\n".encode())
    out.flush()


def _value(finding: Finding) -> dict[str, object]:
    values = {name: getattr(finding, name) for name in finding.__struct_fields__}
    return {**values, "state": str(finding.state), "missing": list(finding.missing)}


def described(finding: Finding) -> str:
    """One line: what is wrong, with which rule, and what it lacks."""
    shown = ", ".join(finding.missing[:MAX_SHOWN])
    more = len(finding.missing) - MAX_SHOWN
    what = shown + (f" and {more} more" if more > 0 else "") if shown else finding.logsource
    return f"{finding.state}: {finding.title} ({finding.rule}): {what}"
