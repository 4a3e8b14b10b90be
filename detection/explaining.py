"""Why rules match one event of a file: the work behind `citysoc rules explain`."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, TextIO

from sigma.exceptions import SigmaError
from sigma.processing.pipeline import ProcessingPipeline

from collectors.bus.contract import Malformed
from collectors.codec import dumps
from detection.explained import Ink, lines_of, value_of
from detection.offline import WRONG_CALL, check_file, read_lists
from detection.records import Event, events
from detection.sigma.explain import Explainer, Explanation
from detection.sigma.ruleset import read_pipelines
from rules.catalog import line_for, read
from rules.documents import Fault
from rules.schemas import NATIVE

COUNTED = "a correlation counts matches of other rules; one event has nothing to explain"


def explain(
    rule_paths: Sequence[str],
    place: str,
    *,
    pipelines: Sequence[str] = (),
    lists: str | None = None,
    schema: str = NATIVE,
    limit: int,
    as_json: bool = False,
    out: BinaryIO,
    err: TextIO,
    colour: bool = False,
) -> int:
    """Explain every rule for the event at `place`, `FILE` or `FILE:N` counting from 0.

    Rules that match come first, then those with the fewest values in the way; those of other log
    sources last. Writes the first `limit` to `out`, as text or one JSON object a line, and faults,
    notices and how many were left out to `err`. Returns the exit code: 0, or 2 where something
    named in the call is not usable.
    """
    try:
        path, number = _placed(place)
        check_file(path)
        faults: list[Fault] = []
        explainers = list(_explainers(rule_paths, pipelines, read_lists(lists), faults))
        event = _event(path, number, schema)
    except (OSError, ValueError, Malformed) as error:
        print(f"citysoc rules explain: {error}", file=err)
        return WRONG_CALL
    for fault in sorted(faults):
        print(fault, file=err)
    fields = event.fields or {}
    ranked = sorted((each.explain(fields, event.logsources) for each in explainers), key=_rank)
    try:
        out.writelines(_written(ranked[:limit], f"{path}:{number}", event, as_json, Ink(colour)))
        out.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        return 0
    matching = sum(each.matches for each in ranked)
    print(f"{matching:,} of {len(ranked):,} rules match", file=err)
    if (rest := len(ranked) - limit) > 0:
        rules = "rule" if rest == 1 else "rules"
        print(f"{rest:,} {rules} left out; --limit shows more", file=err)
    return 0


def _placed(place: str) -> tuple[str, int]:
    """File and number; a file that is really called `name:3` is taken as it is."""
    path, colon, number = place.rpartition(":")
    if colon and number.isascii() and number.isdigit() and not os.path.exists(place):  # noqa: PTH110 - a text
        if len(number) > 12:
            raise ValueError(f"event number {number[:12]}… is beyond any file")
        return path, int(number)
    return place, 0


def _event(path: str, number: int, schema: str) -> Event:
    count = 0
    for event in events(path, schema):
        if event.number == number:
            if event.fields is None:
                raise ValueError(f"record {number} of '{path}' is no event: expected an object")
            return event
        count += 1
    there = f"they are numbered 0 to {count - 1:,}" if count else "it has none"
    raise ValueError(f"'{path}' has no event {number:,}: {there}")


def _explainers(
    paths: Sequence[str],
    pipelines: Sequence[str],
    lists: Mapping[str, Sequence[str]],
    faults: list[Fault],
) -> Iterator[Explainer]:
    pipeline: ProcessingPipeline | None = read_pipelines(pipelines)[0]
    catalog = read(paths)
    faults += catalog.faults
    for each in catalog.correlations:
        if "detection" not in each.document.content:  # else its rule is explained
            faults.append(Fault(each.info.path, each.info.line, COUNTED))
    for rule in catalog.rules:
        try:
            yield Explainer(rule, pipeline=pipeline, lists=lists)
        except (SigmaError, ValueError) as error:
            where = line_for(error, rule.document)
            faults.append(Fault(rule.info.path, where, str(error)))


def _rank(explanation: Explanation) -> tuple[bool, bool, bool, int, str, str]:
    rule = explanation.rule
    return (
        not explanation.matches,
        not explanation.served,
        explanation.root is None,
        explanation.missing,
        rule.title,
        rule.id,
    )


def _written(
    explanations: Sequence[Explanation], place: str, event: Event, as_json: bool, ink: Ink
) -> Iterator[bytes]:
    if not as_json:
        sources = ", ".join(map(str, event.logsources)) or "no known log source"
        yield _line(f"{place} is of {sources}")
    for explanation in explanations:
        if as_json:
            yield dumps({"event": place, **value_of(explanation, event.logsources)}) + b"\n"
        else:
            yield b"\n"
            yield from map(_line, lines_of(explanation, event.logsources, ink))


def _line(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace") + b"\n"
