"""What rules and fields cost on files of events: the work behind `citysoc rules cost`."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, TextIO

from collectors.bus.contract import Malformed
from collectors.codec import dumps
from detection.costs import FieldCost, Meter, RuleCost
from detection.offline import PROGRESS_EVERY, WRONG_CALL, check_file, read_lists
from detection.records import events
from detection.schema_view import known_view
from detection.sigma.ruleset import build, read_pipelines
from rules.catalog import read
from rules.schemas import NATIVE

MAX_TITLE = 60


def cost(
    rule_paths: Sequence[str],
    event_paths: Sequence[str],
    *,
    pipelines: Sequence[str] = (),
    lists: str | None = None,
    schema: str = NATIVE,
    limit: int,
    as_json: bool = False,
    out: BinaryIO,
    err: TextIO,
) -> int:
    """Match files of events with a clock at each step, and say what took how long.

    Returns the exit code: 0, or 2 where a path or file named in the call is not usable.
    """
    try:
        for path in event_paths:
            check_file(path)
        known_view(schema)
        found = read_lists(lists)
        catalog = read(rule_paths)
        processing = read_pipelines(pipelines)[0]
        meter = Meter(build(catalog, "", pipeline=processing, lists=found))
        for path in event_paths:
            _measure(meter, path, schema, err)
    except (OSError, ValueError, Malformed) as error:
        print(f"citysoc rules cost: {error}", file=err)
        return WRONG_CALL
    meter.ask_alone(catalog.rules, found)
    lines = _objects(meter) if as_json else _tables(meter, limit)
    try:
        out.writelines(lines)
        out.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
    return 0


def _measure(meter: Meter, path: str, schema: str, err: TextIO) -> None:
    progress = err.isatty()
    for event in events(path, schema):
        if event.fields is not None:
            meter.match(event.fields, event.logsources)
        if progress and meter.events % PROGRESS_EVERY == 0:
            print(f"\r{meter.events:,} events", end="", file=err, flush=True)
    if progress:
        print("\r\x1b[K", end="", file=err, flush=True)


def _by_cost(meter: Meter) -> tuple[list[FieldCost], list[RuleCost]]:
    fields = sorted(meter.fields.values(), key=lambda each: (-each.seconds, each.field))
    rules = sorted(meter.rules, key=lambda each: (-each.seconds, -each.alone_us, each.rule))
    return fields, rules


def _totals(meter: Meter) -> Mapping[str, float]:
    return {
        "events": meter.events,
        "seconds": round(meter.seconds, 6),
        "fields_seconds": round(sum(each.seconds for each in meter.fields.values()), 6),
        "rules_seconds": round(sum(each.seconds for each in meter.rules), 6),
        "rules": len(meter.rules),
        "rules_never_looked_at": sum(not each.looked_at for each in meter.rules),
        "rules_never_matched": sum(not each.matches for each in meter.rules),
    }


def _objects(meter: Meter) -> Iterator[bytes]:
    fields, rules = _by_cost(meter)
    yield dumps({"kind": "total", **_totals(meter)}) + b"\n"
    for field in fields:
        yield dumps({"kind": "field", **_rounded(field)}) + b"\n"
    for rule in rules:
        yield dumps({"kind": "rule", **_rounded(rule)}) + b"\n"


def _rounded(cost: FieldCost | RuleCost) -> dict[str, object]:
    values = ((name, getattr(cost, name)) for name in cost.__struct_fields__)
    return {name: round(each, 9) if isinstance(each, float) else each for name, each in values}


def _tables(meter: Meter, limit: int) -> Iterator[bytes]:
    fields, rules = _by_cost(meter)
    totals = _totals(meter)
    total = meter.seconds or 1.0
    said = (
        f"{meter.events:,} events in {meter.seconds:.3f} s, clocks included: "
        f"{totals['fields_seconds']:.3f} s to look fields up, "
        f"{totals['rules_seconds']:.3f} s to work conditions out"
    )
    lines = [said, "", "    share         ms     look-ups  new values   µs a new one  field"]
    lines += [_field_line(each, total) for each in fields[:limit]]
    lines += [*_rest(len(fields) - limit), ""]
    lines.append("    share         ms    looked at     matches   µs alone  rule")
    lines += [_rule_line(each, total) for each in rules[:limit]]
    lines += [*_rest(len(rules) - limit), ""]
    lines.append(
        f"{totals['rules_never_matched']:,} of {len(rules):,} rules never matched, "
        f"{totals['rules_never_looked_at']:,} never had to be looked at"
    )
    yield from (line.encode("utf-8", "backslashreplace") + b"\n" for line in lines)


def _rest(count: int) -> list[str]:
    return [f"  … and {count:,} more; --limit shows them"] if count > 0 else []


def _field_line(cost: FieldCost, total: float) -> str:
    new = 1e6 * cost.new_seconds / max(cost.new_values, 1)
    figures = f"{cost.lookups:12,} {cost.new_values:11,} {new:14.2f}"
    return (
        f"  {100 * cost.seconds / total:6.2f}% {1e3 * cost.seconds:10.3f} {figures}  {cost.field}"
    )


def _rule_line(cost: RuleCost, total: float) -> str:
    matches = f"{cost.matches:,}" if cost.matches else "never"
    figures = f"{cost.looked_at:12,} {matches:>11} {cost.alone_us:10.2f}"
    named = f"{cost.title[:MAX_TITLE]} ({cost.path}:{cost.line})"
    return f"  {100 * cost.seconds / total:6.2f}% {1e3 * cost.seconds:10.3f} {figures}  {named}"
