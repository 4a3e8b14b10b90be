"""One tenant's signals put together by Sigma correlations: alerts of their own."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from collectors import metrics
from collectors.tick import AHEAD, Tick
from detection.alert import MAX_BODIES, Alert, alert_id
from detection.definitions import Definitions, correlation_of, reach
from detection.grouping import HOUR, OPEN, SLACK, SWEEP_EVERY
from detection.policy import State
from detection.sigma.correlate import MEMORY, Correlator, Found
from detection.sigma.measure import SECOND
from detection.signal import Entity, Signal
from detection.tally import OWN_BYTES, Tally, moment
from detection.watermark import Watermark

SPAN_BYTES: Final = 200
FACTS: Final = "correlation"
"""The alert's context that says what it is made of: GROUP, and titles of rules with counts."""
GROUP: Final = ""
WITHDRAWN: Final = "withdrawn"
"""Mark of an alert that came too early: what arrived later shows that it was not true."""


class Seen(NamedTuple):
    """A signal, and the correlations that may take it, as they were defined when it was made."""

    signal: Signal
    admitted: frozenset[str]


class Correlating:
    """The state of one tenant, a function of its signals log and nothing else.

    A signal that comes again is the same hit again, so no count is ever off.
    """

    def __init__(self, tenant: str, definitions: Definitions, *, memory: int = MEMORY) -> None:
        self._tenant = tenant
        self._definitions = definitions
        self._known: set[str] = set()
        """Versions of the rule set whose correlations are served."""
        self._correlator = Correlator(
            (), memory=memory, weigh=_weigh, evicted=_evicted, admits=_admits
        )
        self._watermark = Watermark()
        self._reach = 0.0
        self._time = 0.0
        self._place = 0
        self._swept = 0.0

    @property
    def reach(self) -> float:
        """Seconds of signals that it needs for the longest of its correlations."""
        return self._reach

    def advance(self, time: float, place: int) -> None:
        """A record was taken at `time`, Unix seconds, up to which the log now counts `place`.

        What nothing can need any more may go.
        """
        self._time, self._place = time, place
        if time - self._swept > SWEEP_EVERY:
            self._swept = time
            kept = OPEN + SLACK + HOUR + self._reach
            self._correlator.expire(int((time - kept) * SECOND))

    def add(self, signal: Signal) -> None:
        """Take in a signal, unless it comes too late. Raises ValueError for times that are none."""
        happened, received = moment(signal.time), moment(signal.received)
        received = min(received, self._time + AHEAD)
        self._watermark.receive([(signal.source, received)])
        if not signal.correlations:
            return
        if received - happened > OPEN:
            metrics.EVICTIONS.labels("late_for_correlations").inc()
            return
        self._learn(signal.ruleset)
        admitted = self._definitions.keys(signal.ruleset, signal.correlations)
        self._correlator.add(
            signal.rule,
            signal.event,
            round(happened * SECOND),
            signal.values,
            Seen(signal, admitted),
            received=round(received * SECOND),
        )

    def hear(self, ticks: Iterable[Tick]) -> None:
        """Doors would have heard of these sources until then."""
        self._watermark.receive((tick.source, tick.moment) for tick in ticks)

    def decide(self) -> None:
        """Decide the windows that have ended by the time that has passed for all sources."""
        passed = self._watermark.passed()
        if passed > 0:
            self._correlator.advance(int(passed * SECOND))

    def take(self) -> Iterator[Alert]:
        """The alerts that have changed since the last call, each once and whole."""
        for found in self._correlator.take():
            identity = correlation_of(found.correlation)
            signals = [hit.payload.signal for hit in found.hits]
            if any(each.correlations.get(identity) is State.ALERT for each in signals):
                yield self._alert(found, identity, signals)

    def settle(self) -> None:
        """What has changed so far had been sent before: this was a rebuild."""
        self._correlator.settle()

    def overdue(self, now: float) -> float:
        """Seconds that the window which should have been decided first has waited, 0 if none."""
        due = self._correlator.next_due()
        return 0.0 if due is None else max(0.0, now - due / SECOND)

    def _learn(self, version: str) -> None:
        if version not in self._known:
            correlations = self._definitions.of(version)
            self._correlator.learn(correlations)
            self._reach = max(self._reach, reach(correlations))
            self._known.add(version)

    def _alert(self, found: Found, identity: str, signals: list[Signal]) -> Alert:
        hour = f"{datetime.fromtimestamp(found.bucket.start / SECOND, UTC):%Y-%m-%dT%H}"
        group = Entity("group", ", ".join(found.bucket.group))
        tally = Tally(alert_id(self._tenant, identity, group, hour), 0.0)
        for each in _telling_first(signals):
            tally.add(each, self._place)
        alert = tally.alert()
        info = self._definitions.info(signals[-1].ruleset, identity) or found.correlation.info
        return msgspec.structs.replace(
            alert,
            rule=identity,
            title=info.title,
            level=info.level,
            entity=self._entity(found),
            hour=hour,
            marks=(*alert.marks, WITHDRAWN) if found.withdrawn else alert.marks,
            ruleset=signals[-1].ruleset,
            context={**alert.context, FACTS: _facts(found, signals)},
        )

    def _entity(self, found: Found) -> Entity:
        """Whom or what the group is about, where the oldest of its events says so."""
        names = found.bucket.group
        if not names:
            return Entity("tenant", self._tenant)
        related = found.hits[0].payload.signal.related
        kinds = (kind for kind in ("user", "host", "ip") if names[0] in related.get(kind, ()))
        kind = next(kinds, "group") if len(names) == 1 else "group"
        return Entity(kind, ", ".join(names))


def _facts(found: Found, signals: list[Signal]) -> dict[str, str]:
    """What people should know beside the events: the group, and how many events of which rule."""
    group = zip(found.correlation.group_by, found.bucket.group, strict=True)
    counts = Counter(each.title for each in signals)
    return {
        GROUP: ", ".join(f"{name} {value}" for name, value in group),
        **{title: str(count) for title, count in counts.items()},
    }


def _telling_first(signals: list[Signal]) -> list[Signal]:
    """The beginning and the end before what lies between, as an alert carries few events."""
    few = MAX_BODIES // 2
    if len(signals) <= MAX_BODIES:
        return signals
    return signals[:few] + signals[-few:] + signals[few:-few]


def _admits(payload: Any, correlation: str) -> bool:
    return isinstance(payload, Seen) and correlation in payload.admitted


def _weigh(payload: Any) -> int:
    if isinstance(payload, Seen):
        return OWN_BYTES + len(bytes(payload.signal.body))
    return SPAN_BYTES


def _evicted(hits: int) -> None:
    metrics.EVICTIONS.labels("correlations").inc(hits)
