"""The detection stage: events and rules become signals, whatever the events hold."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from collectors import metrics, tick
from collectors.bus.contract import Bus, Consumer, Malformed, Partition, Position, Record
from collectors.bus.dead import dead_letter
from collectors.bus.outbox import Letter, Outbox
from collectors.fields import entity
from collectors.tick import Tick
from detection.definitions import served
from detection.in_force import Bearings, InForce, Versions
from detection.incoming import Incoming, Unreadable, read_lines
from detection.own_rules import OwnRules
from detection.packing import pack
from detection.policy import Policy, State
from detection.rule_sets import Rules, RuleSets
from detection.sigma.correlate import values_of, wanted_fields
from detection.signal import NO_BODY, Entity, Place, Signal, signal_id
from enrichment.contract import Enricher
from rules.catalog import RuleInfo
from rules.correlations import Correlation, unspoken

STAGE = "detection"
EVENTS = "events."
SIGNALS = "signals."
BODY_LEFT_OUT = "body_left_out"
KEPT = 2
"""Rule sets whose correlations are kept sorted by the rules that they want."""


class _Judging(NamedTuple):
    """A rule set and what its correlations want to know of matches."""

    rules: Rules
    served: Mapping[str, Sequence[Correlation]]
    wanted: Mapping[str, Sequence[str]]
    unspoken: frozenset[str]


class Detection:
    """Handler of the group `detection` (see collectors.bus.loop)."""

    def __init__(
        self, bus: Bus, sets: RuleSets, *, versions: Versions, enrichers: Sequence[Enricher] = ()
    ) -> None:
        self._producer = bus.producer()
        self._outbox = Outbox(self._producer)
        self._sets = sets
        self._own = OwnRules(sets)
        self._judging: OrderedDict[str, _Judging] = OrderedDict()
        self._bearings = Bearings(versions)
        self._enrichers = enrichers
        self._in_force: dict[Partition, InForce] = {}
        self._notes: dict[Partition, str] = {}
        """Of partitions of which nobody has asked yet what is in force."""

    def assigned(self, consumer: Consumer, positions: Mapping[Partition, Position | None]) -> None:  # noqa: ARG002
        """Go on with what was in force at the stored position."""
        self._notes.update({key: found.note if found else "" for key, found in positions.items()})

    def revoked(self, partitions: frozenset[Partition]) -> None:
        """Forget what is in force there."""
        for partition in partitions:
            self._notes.pop(partition, None)
            self._in_force.pop(partition, None)

    def handle(self, records: Sequence[Record]) -> None:
        """Match every event; a line that is none is set aside and the others go on."""
        letters: list[Letter] = []
        changed: dict[Partition, InForce] = {}
        told: dict[tuple[str, str], Tick] = {}
        for record in records:
            in_force = changed.get(record.partition) or self._at(record.partition)
            if record.kind in ("policy", "rules"):
                changed[record.partition] = self._bearings.after(in_force, record)
            elif record.kind == "events":
                letters += self._signals(record, in_force)
            elif record.kind == tick.KIND:
                told |= {(each.tenant, each.source): each for each in tick.ticks(record)}
            else:
                raise Malformed(
                    f"expected a record of events, ticks, policy or rules, got {record.kind!r}"
                )
        self._in_force.update(changed)
        self._outbox.put(*letters, *_ticks(told.values()))

    def flush(self) -> None:
        """Send the signals. Raises Overloaded and keeps them then."""
        self._outbox.flush()

    def note(self, partition: Partition) -> str:
        """The versions of policy and rules in force."""
        return self._at(partition).note()

    def close(self) -> None:
        """Let go of the bus."""
        self._producer.close()

    def _at(self, partition: Partition) -> InForce:
        found = self._in_force.get(partition)
        if found is None:
            note = self._notes.get(partition, "")
            found = self._in_force[partition] = self._bearings.at(_tenant(partition), note)
        return found

    def _judging_by(self, version: str) -> _Judging:
        """May raise Overloaded. The two last used are kept: a switch is seldom all at once."""
        rules = self._sets.engine(version)
        found = self._judging.get(version)
        if found is None or found.rules is not rules:
            running = rules.correlations
            found = self._judging[version] = _Judging(
                rules, served(running), wanted_fields(running), unspoken(running)
            )
        self._judging.move_to_end(version)
        if len(self._judging) > KEPT:
            self._judging.popitem(last=False)
        return found

    def _signals(self, record: Record, in_force: InForce) -> list[Letter]:
        judging = self._judging_by(in_force.release.version)
        rules = self._own.of(in_force.release.version, in_force.policy)
        tenant = _tenant(record.partition)
        events: list[Incoming] = []
        unreadable: list[Unreadable] = []
        for line in read_lines(record.value, tenant):
            if isinstance(line, Unreadable):
                unreadable.append(line)
            elif line.logsources:
                events.append(line)
        lines = [
            msgspec.json.encode(signal)
            for event, rule in _matches(rules, events, unreadable)
            if (signal := self._signal(record, event, rule, judging, in_force.policy)) is not None
        ]
        letters = [Letter(SIGNALS + tenant, value, key=tenant) for value in pack(lines)]
        return letters + [_set_aside(record, line) for line in unreadable]

    def _signal(
        self, record: Record, event: Incoming, rule: RuleInfo, judging: _Judging, policy: Policy
    ) -> Signal | None:
        state = policy.state(rule.id, rule.level, rule.ruleset)
        if state is State.OFF:
            return None
        if rule.id in judging.unspoken:
            state = State.SIGNAL
        metrics.SIGNALS.labels(state).inc()
        soc = event.soc
        correlations = _states(judging.served.get(rule.id, ()), policy)
        told = state is State.ALERT or bool(correlations)
        body = event.body() if told else None
        left_out = (BODY_LEFT_OUT,) if told and body is None else ()
        return Signal(
            id=signal_id(policy.tenant, rule.id, soc.id),
            tenant=policy.tenant,
            rule=rule.id,
            title=rule.title,
            level=rule.level,
            state=state,
            ruleset=judging.rules.version,
            policy=policy.version,
            event=soc.id,
            source=soc.source,
            place=Place(record.partition.number, record.offset, event.number),
            time=soc.time,
            received=soc.received,
            entity=Entity(*entity(soc.related, event.logsources, soc.source)),
            related=soc.related,
            marks=(*soc.marks, *left_out),
            context=self._context(policy.tenant, soc.related) if told else {},
            correlations=correlations,
            values=values_of(event.fields(), judging.wanted[rule.id]) if correlations else {},
            body=NO_BODY if body is None else msgspec.Raw(body),
        )

    def _context(
        self, tenant: str, related: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, str]]:
        facts = {each.name: dict(each.add(tenant, related)) for each in self._enrichers}
        return {name: found for name, found in facts.items() if found}


def _ticks(told: Iterable[Tick]) -> Iterator[Letter]:
    """The last tick of each source, after all signals of what came before it."""
    lines: dict[str, list[bytes]] = {}
    for each in told:
        lines.setdefault(each.tenant, []).append(msgspec.json.encode(each))
    for tenant, mine in lines.items():
        for value in pack(mine):
            yield Letter(SIGNALS + tenant, value, key=tenant, headers=tick.HEADERS)


def _tenant(partition: Partition) -> str:
    return partition.topic.removeprefix(EVENTS)


def _matches(
    rules: Rules, events: Sequence[Incoming], unreadable: list[Unreadable]
) -> Iterator[tuple[Incoming, RuleInfo]]:
    """Every match, in the order of the lines; what the engine can't read is unreadable."""
    try:
        found = rules.match_lines([event.asked() for event in events])
    except Malformed as malformed:
        if len(events) == 1:
            unreadable.append(Unreadable(events[0].number, events[0].line, str(malformed)))
        else:
            for event in events:
                yield from _matches(rules, [event], unreadable)
        return
    for position, rule in found:
        yield events[position], rule


def _states(correlations: Sequence[Correlation], policy: Policy) -> dict[str, State]:
    """What each of these may do in the tenant."""
    infos = [each.info for each in correlations]
    states = {each.id: policy.state(each.id, each.level, each.ruleset) for each in infos}
    return {each: state for each, state in states.items() if state is not State.OFF}


def _set_aside(record: Record, line: Unreadable) -> Letter:
    metrics.DEAD_LETTERS.labels(STAGE).inc()
    return dead_letter(record, line.reason, stage=STAGE, line=line.number, content=line.line)
