"""A rule set that matches events: which of its rules hold for one, and quickly so."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from collectors.bus.contract import Malformed
from collectors.codec import loads
from collectors.logsource import LogSource
from detection.sigma.condition import Condition
from detection.sigma.memories import Memories
from detection.sigma.plan import Plan
from detection.sigma.scan import Scanners
from detection.sigma.source import Source
from detection.sigma.view import Reader, View, suits
from rules.catalog import RuleInfo
from rules.correlations import Correlation, unspoken
from rules.documents import Fault

MEMORY_BYTES = 96 * 1024 * 1024
"""What the memories of one engine may take before they start afresh."""
MAX_NAMED = 10_000
"""Sets of log sources that are remembered by name; senders may declare what they like."""
MAX_PLANS = 500
"""Combinations of log sources that are kept; real senders need some dozens."""
LOGSOURCES = b'"logsources":'
"""How the last member of an envelope begins, as our doors write it."""


class Engine:
    """One immutable rule set with its memories. Not shared between threads."""

    def __init__(
        self,
        rules: Sequence[RuleInfo],
        conditions: Sequence[Condition],
        sources: Mapping[LogSource, Source],
        scanners: Scanners,
        *,
        version: str,
        faults: Sequence[Fault] = (),
        failed: int = 0,
        notices: Sequence[Fault] = (),
        memory: int = MEMORY_BYTES,
        correlations: Sequence[Correlation] = (),
    ) -> None:
        self.version = version
        """32 hex digits over rules, pipelines, lists and engine."""
        self.rules: Mapping[str, RuleInfo] = {rule.id: rule for rule in rules}
        self.faults = faults
        """Why rules were refused."""
        self.correlations = correlations
        """Each after those that it refers to; what they say of matches is not said here."""
        self.unspoken = unspoken(correlations)
        """Ids of rules and correlations that serve correlations and do not match on their own."""
        self.failed = failed
        """How many were."""
        self.notices = notices
        """What was loaded and yet will not work as its author may think."""
        self.forgotten = 0
        """How often the memories were full and started afresh."""
        self.infos = tuple(rules)
        """The rules by the numbers that plans give them."""
        self.conditions = conditions
        """Theirs, in the same order."""
        self._sources = sources
        self._memory = memory
        self._memories = Memories(scanners)
        self.sets = self._memories.sets
        """Of predicates that hold, by the numbers that plans make signatures of."""
        self._serving: dict[LogSource, frozenset[LogSource]] = {}
        """A log source, in lower case, to those that rules ask for and it serves."""
        self._plans: dict[frozenset[LogSource], Plan] = {}
        self._plan_of: dict[tuple[str, ...] | tuple[LogSource, ...], Plan] = {}
        self._views: dict[Plan, View] = {}
        self._readers: dict[bytes, Reader] = {}
        """By the end of a line from the bracket that opens its log sources; only a guess."""

    @property
    def size(self) -> int:
        """Rules as authors count them: correlations too, an old condition with a pipe once."""
        old = sum("detection" in each.document.content for each in self.correlations)
        return len(self.rules) + len(self.correlations) - old

    def match(
        self, fields: Mapping[str, Any], logsources: Iterable[LogSource], line: bytes = b""
    ) -> Sequence[RuleInfo]:
        """The rules that match an event of these log sources, in the order of their ids.

        `line`, if given, is the JSON that all of the values come from; it makes things quicker.
        """
        key = tuple(logsources)
        plan = self._plan_of.get(key) or self._plan(key, key)
        found = plan.match(fields, line)
        if self.sets.spent > self._memory:
            self._forget()
        return [self.infos[number] for number in found] if found else ()

    def plan(self, logsources: tuple[LogSource, ...]) -> Plan:
        """How events of these log sources are matched, in numbers that `infos` has in order."""
        return self._plan_of.get(logsources) or self._plan(logsources, logsources)

    def match_lines(self, lines: Sequence[bytes]) -> list[tuple[int, RuleInfo]]:
        """Position and rule for every match in the lines of a bus record.

        The log sources are those in each line's `soc`, which itself is never matched. Raises
        Malformed, with the line's position, for a line that is seen to be no event; of one that
        matches nothing only what rules look at is sure to be seen.
        """
        found: list[tuple[int, RuleInfo]] = []
        infos, readers, sets = self.infos, self._readers, self.sets
        for position, line in enumerate(lines):
            read = readers.get(line[line.rfind(b"[") :])
            numbers = read(line) if read is not None else None
            if numbers is None:
                numbers = self._read_whole(line, position)
            elif numbers:
                _prove(line, position)
            for number in numbers:
                found.append((position, infos[number]))  # noqa: PERF401 - quicker than extend
            if sets.spent > self._memory:
                self._forget()
        return found

    def _read_whole(self, line: bytes, position: int) -> tuple[int, ...]:
        """The same of one line, every value of it decoded and proved to be in bounds."""
        try:
            event = loads(line)
            key = tuple(event.pop("soc")["logsources"])
            plan = self._plan_of.get(key) or self._plan(key, map(LogSource.parse, key))
            read = self._expect(line, key, event)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _malformed(position, error) from error
        found = read(line) if read is not None else None
        return plan.match(event, line) if found is None else found

    def _expect(self, line: bytes, key: tuple[str, ...], event: dict[str, Any]) -> Reader | None:
        """What reads lines that end in the names of these log sources, if that is new."""
        at, plan = line.rfind(b"["), self._plan_of[key]
        end = line[at:]
        named = line[:at].endswith(LOGSOURCES) and end.find(b"]}}") == len(end) - 3
        if not named or end in self._readers or not suits(plan):
            return None
        if len(self._readers) > MAX_NAMED:
            self._readers.clear()
        view = self._views.get(plan)
        if view is None:
            view = self._views[plan] = View(plan, event)
        read = self._readers[end] = view.reader(key, end[:-2])
        return read

    def _plan(self, key: tuple[Any, ...], logsources: Iterable[LogSource]) -> Plan:
        asked = frozenset[LogSource]().union(*map(self._asked, logsources))
        plan = self._plans.get(asked)
        if plan is None:
            if len(self._plans) == MAX_PLANS:
                self._drop_plans()
            sources = [self._sources[source] for source in sorted(asked)]
            plan = self._plans[asked] = Plan(sources, self.conditions, self._memories)
        if len(self._plan_of) > MAX_NAMED:
            self._plan_of.clear()
        self._plan_of[key] = plan
        return plan

    def _asked(self, logsource: LogSource) -> frozenset[LogSource]:
        """What rules ask for that an event of this log source serves."""
        lowered = LogSource(*map(str.lower, logsource))
        found = self._serving.get(lowered)
        if found is None:
            if len(self._serving) > MAX_NAMED:
                self._serving.clear()
            asked = map(LogSource._make, product(*({"", part} for part in lowered)))
            found = frozenset(self._sources.keys() & asked)
            self._serving[lowered] = found
        return found

    def _drop_plans(self) -> None:
        for memory in (self._plans, self._plan_of, self._views, self._readers):
            memory.clear()
        self._memories.drop()

    def trim(self) -> None:
        """Start the memories afresh where they are full; `match` and `match_lines` do so too."""
        if self.sets.spent > self._memory:
            self._forget()

    def _forget(self) -> None:
        self.forgotten += 1
        self._memories.forget()
        for plan in self._plans.values():
            plan.forget()


def _prove(line: bytes, position: int) -> None:
    """Raise Malformed for a line that is not JSON, or out of bounds, where nobody looked at it."""
    try:
        loads(line)
    except ValueError as error:
        raise _malformed(position, error) from error


def _malformed(position: int, error: Exception) -> Malformed:
    return Malformed(f"line {position} of the record is no event: {error}")
