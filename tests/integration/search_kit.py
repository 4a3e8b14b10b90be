"""Real events as the store keeps them, and what the engine finds in them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from collectors.bus.contract import Overloaded
from collectors.event import Soc, encode, event_id, timestamp
from collectors.logsource import LogSource
from detection.records import events
from detection.sigma.ruleset import Engine
from tenants.store.contract import StoredEvent, TenantStore

STREAMS = (
    "windows.ndjson.gz",
    "aws-cloudtrail.ndjson.gz",
    "zeek.ndjson.gz",
    "suricata-eve.ndjson.gz",
    "apache-access.log.gz",
    "linux-auth.log.gz",
)
RECEIVED = "2026-11-24T13:00:00.000000Z"
TENANT = "council"
AT_ONCE = 1_000
TRIES = 5


class Kept(NamedTuple):
    """One event: as the engine sees it, and as the store keeps it."""

    fields: dict[str, Any]
    logsources: tuple[LogSource, ...]
    stored: StoredEvent


def kept(corpora: Path) -> Iterator[Kept]:
    """Every event of the shared streams and of the shared Windows event logs."""
    logs = [*(corpora / "regression").rglob("*.evtx"), *(corpora / "evtx").rglob("*.evtx")]
    for path in [*(corpora / "streams" / name for name in STREAMS), *sorted(logs)]:
        name = path.relative_to(corpora).as_posix()
        for event in events(str(path)):
            if event.fields is not None:
                yield _kept(name, event.number, event.fields, event.logsources, event.time)


def _kept(
    file: str, number: int, fields: dict[str, Any], logsources: tuple[LogSource, ...], time: Any
) -> Kept:
    id_ = event_id(TENANT, file, str(number), "")
    at = RECEIVED if time is None else timestamp(time)
    soc = Soc(
        v=1,
        id=id_,
        tenant=TENANT,
        source="corpora",
        received=RECEIVED,
        time=at,
        logsources=tuple(map(str, logsources)),
    )
    line = encode(fields, soc)
    return Kept(
        fields,
        logsources,
        StoredEvent(id=id_, time=at, received=RECEIVED, source=soc.source, line=line),
    )


def write(store: TenantStore, all_kept: Sequence[Kept]) -> None:
    """Store them all, as the indexer does: what is too much for the store now is tried again."""
    for start in range(0, len(all_kept), AT_ONCE):
        events = [each.stored for each in all_kept[start : start + AT_ONCE]]
        for left in reversed(range(TRIES)):
            try:
                store.write(events)
                break
            except Overloaded:
                if not left:
                    raise


def found_by_engine(engine: Engine, all_kept: Sequence[Kept]) -> Mapping[str, frozenset[str]]:
    """Ids of the events that each rule matches; rules that match none are not in it."""
    found: dict[str, set[str]] = {}
    for each in all_kept:
        for rule in engine.match(each.fields, each.logsources):
            found.setdefault(rule.id, set()).add(each.stored.id)
    return {rule: frozenset(ids) for rule, ids in found.items()}


def unlike(
    answers: Mapping[str, frozenset[str] | None], found: Mapping[str, frozenset[str]]
) -> Mapping[str, frozenset[str]]:
    """Each rule that could not be asked, or whose answer is another than the engine's.

    With it the ids of the events that one side alone found.
    """
    nothing: frozenset[str] = frozenset()
    return {
        rule: (answer or nothing) ^ found.get(rule, nothing)
        for rule, answer in answers.items()
        if answer != found.get(rule, nothing)
    }
