"""The detection stage: events and rules become signals, whatever the events hold."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import msgspec
import structlog

from collectors import metrics
from collectors.bus.contract import Bus, Consumer, Malformed, Partition, Position, Record
from collectors.bus.dead import dead_letter
from collectors.bus.outbox import Letter, Outbox
from collectors.fields import entity
from detection.incoming import Incoming, Unreadable, read_lines
from detection.live import live, served
from detection.packing import pack
from detection.policy import Policy, State
from detection.sigma.correlate import values_of, wanted_fields
from detection.signal import NO_BODY, Entity, Place, Signal, signal_id
from enrichment.contract import Enricher
from rules.catalog import RuleInfo
from rules.correlations import Correlation, unspoken

log = structlog.get_logger()

STAGE = "detection"
EVENTS = "events."
SIGNALS = "signals."
BODY_LEFT_OUT = "body_left_out"


class Rules(Protocol):
    """A rule set that matches events; detection.sigma.Engine is one."""

    @property
    def version(self) -> str:
        """What signals name."""

    @property
    def correlations(self) -> Sequence[Correlation]:
        """Each after those that it refers to."""

    def match_lines(self, lines: Sequence[bytes]) -> Sequence[tuple[int, RuleInfo]]:
        """Position and rule of every match. Raises Malformed where a line is no event."""


class Policies(Protocol):
    """Every version of every tenant's policy that was ever in force."""

    def policy(self, tenant: str, version: int) -> Policy:
        """One version. Raises KeyError for one that never was; may raise Overloaded."""


class _Note(msgspec.Struct, frozen=True):
    """What is stored beside a position: the policy in force there."""

    policy: int = 0


class Detection:
    """Handler of the group `detection` (see collectors.bus.loop)."""

    def __init__(
        self, bus: Bus, engine: Rules, *, policies: Policies, enrichers: Sequence[Enricher] = ()
    ) -> None:
        self._producer = bus.producer()
        self._outbox = Outbox(self._producer)
        self._engine = engine
        correlations = live(engine.correlations)
        self._served = served(correlations)
        self._wanted = wanted_fields(correlations)
        self._unspoken = unspoken(engine.correlations)
        self._versions = policies
        self._enrichers = enrichers
        self._policies: dict[Partition, Policy] = {}
        self._notes: dict[Partition, str] = {}
        """Of partitions whose policy has not been asked for yet."""

    def assigned(self, consumer: Consumer, positions: Mapping[Partition, Position | None]) -> None:  # noqa: ARG002
        """Go on with the policy that was in force at the stored position."""
        self._notes.update({key: found.note if found else "" for key, found in positions.items()})

    def revoked(self, partitions: frozenset[Partition]) -> None:
        """Forget their policies."""
        for partition in partitions:
            self._notes.pop(partition, None)
            self._policies.pop(partition, None)

    def handle(self, records: Sequence[Record]) -> None:
        """Match every event; a line that is none is set aside and the others go on."""
        letters: list[Letter] = []
        policies: dict[Partition, Policy] = {}
        for record in records:
            in_force = policies.get(record.partition) or self._in_force(record.partition)
            if record.kind == "policy":
                policies[record.partition] = _newer(in_force, record)
            elif record.kind == "events":
                letters += self._signals(record, in_force)
            else:
                raise Malformed(f"expected a record of events or policy, got {record.kind!r}")
        self._policies.update(policies)
        self._outbox.put(*letters)

    def flush(self) -> None:
        """Send the signals. Raises Overloaded and keeps them then."""
        self._outbox.flush()

    def note(self, partition: Partition) -> str:
        """The version of the policy in force."""
        return msgspec.json.encode(_Note(self._in_force(partition).version)).decode()

    def close(self) -> None:
        """Let go of the bus."""
        self._producer.close()

    def _in_force(self, partition: Partition) -> Policy:
        policy = self._policies.get(partition)
        if policy is None:
            policy = self._look_up(_tenant(partition), self._notes.get(partition, ""))
            self._policies[partition] = policy
        return policy

    def _look_up(self, tenant: str, note: str) -> Policy:
        version = msgspec.json.decode(note, type=_Note).policy if note else 0
        if not version:
            return Policy(tenant=tenant)
        try:
            return self._versions.policy(tenant, version)
        except KeyError as missing:
            # its tenant has left, or its database was lost: the others must go on
            log.error("policy_missing", tenant=tenant, version=version, reason=str(missing))
            return Policy(tenant=tenant)

    def _signals(self, record: Record, policy: Policy) -> list[Letter]:
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
            for event, rule in self._matches(events, unreadable)
            if (signal := self._signal(record, event, rule, policy)) is not None
        ]
        letters = [Letter(SIGNALS + tenant, value, key=tenant) for value in pack(lines)]
        return letters + [_set_aside(record, line) for line in unreadable]

    def _matches(
        self, events: Sequence[Incoming], unreadable: list[Unreadable]
    ) -> Iterator[tuple[Incoming, RuleInfo]]:
        """Every match, in the order of the lines; what the engine can't read is unreadable."""
        try:
            found = self._engine.match_lines([event.asked() for event in events])
        except Malformed as malformed:
            if len(events) == 1:
                unreadable.append(Unreadable(events[0].number, events[0].line, str(malformed)))
            else:
                for event in events:
                    yield from self._matches([event], unreadable)
            return
        for position, rule in found:
            yield events[position], rule

    def _signal(
        self, record: Record, event: Incoming, rule: RuleInfo, policy: Policy
    ) -> Signal | None:
        state = policy.state(rule.id, rule.level, rule.ruleset)
        if state is State.OFF:
            return None
        if rule.id in self._unspoken:
            state = State.SIGNAL
        metrics.SIGNALS.labels(state).inc()
        soc = event.soc
        correlations = self._states(rule, policy)
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
            ruleset=self._engine.version,
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
            values=values_of(event.fields(), self._wanted[rule.id]) if correlations else {},
            body=NO_BODY if body is None else msgspec.Raw(body),
        )

    def _states(self, rule: RuleInfo, policy: Policy) -> dict[str, State]:
        """What each correlation that the rule serves may do in the tenant."""
        infos = [each.info for each in self._served.get(rule.id, ())]
        states = {each.id: policy.state(each.id, each.level, each.ruleset) for each in infos}
        return {each: state for each, state in states.items() if state is not State.OFF}

    def _context(
        self, tenant: str, related: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, str]]:
        facts = {each.name: dict(each.add(tenant, related)) for each in self._enrichers}
        return {name: found for name, found in facts.items() if found}


def _tenant(partition: Partition) -> str:
    return partition.topic.removeprefix(EVENTS)


def _newer(in_force: Policy, record: Record) -> Policy:
    """The policy that a record puts in force; one sent again later changes nothing."""
    try:
        policy = msgspec.json.decode(record.value, type=Policy)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"expected a policy: {error}") from error
    if policy.tenant != in_force.tenant:
        raise Malformed(f"expected a policy of {in_force.tenant!r}, got one of {policy.tenant!r}")
    return policy if policy.version >= in_force.version else in_force


def _set_aside(record: Record, line: Unreadable) -> Letter:
    metrics.DEAD_LETTERS.labels(STAGE).inc()
    return dead_letter(record, line.reason, stage=STAGE, line=line.number, content=line.line)
