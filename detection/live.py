"""One tenant's signals put together by Sigma correlations: alerts of their own."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from collectors import metrics
from detection.alert import Alert, alert_id
from detection.grouping import HOUR, OPEN, SLACK, SWEEP_EVERY
from detection.policy import State
from detection.sigma.correlate import MEMORY, Correlator, Found
from detection.sigma.measure import SECOND
from detection.signal import Entity, Signal
from detection.tally import OWN_BYTES, Tally, moment
from rules.correlations import Correlation

SPAN_BYTES: Final = 200


class Seen(NamedTuple):
    """A signal and its place in the signals log."""

    signal: Signal
    revision: int


class Correlating:
    """The state of one tenant, a function of its signals log and nothing else.

    A signal that comes again is the same hit again, so no count is ever off.
    """

    def __init__(
        self, tenant: str, correlations: Sequence[Correlation], *, memory: int = MEMORY
    ) -> None:
        self._tenant = tenant
        self._correlator = Correlator(correlations, memory=memory, weigh=_weigh, evicted=_evicted)
        self._kept = OPEN + SLACK + HOUR + reach(correlations)
        self._swept = 0.0

    def advance(self, time: float) -> None:
        """A record was taken at `time`, Unix seconds; what nothing can need any more may go."""
        if time - self._swept > SWEEP_EVERY:
            self._swept = time
            self._correlator.expire(int((time - self._kept) * SECOND))

    def add(self, signal: Signal, revision: int) -> None:
        """Take in a signal, unless it comes too late. Raises ValueError for times that are none."""
        if not signal.correlations:
            return
        happened = moment(signal.time)
        if moment(signal.received) - happened > OPEN:
            metrics.EVICTIONS.labels("late_for_correlations").inc()
            return
        self._correlator.add(
            signal.rule,
            signal.event,
            round(happened * SECOND),
            signal.values,
            Seen(signal, revision),
            only=signal.correlations.__contains__,
        )

    def take(self) -> Iterator[Alert]:
        """The alerts that have changed since the last call, each once and whole."""
        for found in self._correlator.take():
            identity = found.correlation.info.id
            signals = [hit.payload.signal for hit in found.hits]
            if any(each.correlations.get(identity) is State.ALERT for each in signals):
                yield self._alert(found)

    def settle(self) -> None:
        """What has changed so far had been sent before: this was a rebuild."""
        self._correlator.settle()

    def _alert(self, found: Found) -> Alert:
        info, hour = found.correlation.info, _hour(found)
        group = Entity("group", ", ".join(found.bucket.group))
        tally = Tally(alert_id(self._tenant, info.id, group, hour), 0.0)
        for hit in found.hits:
            tally.add(*hit.payload)
        return msgspec.structs.replace(
            tally.alert(),
            revision=max(hit.payload.revision for hit in found.hits),
            rule=info.id,
            title=info.title,
            level=info.level,
            entity=self._entity(found),
            hour=hour,
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


def live(correlations: Sequence[Correlation]) -> list[Correlation]:
    """Those that signals can be put together by as they come.

    The others need the end of their window, or refer to one that does.
    """
    waiting: set[str] = set()
    found: list[Correlation] = []
    for each in correlations:
        if each.rising and not waiting.intersection(each.rules):
            found.append(each)
        else:
            waiting.add(each.info.id)
    return found


def served(correlations: Sequence[Correlation]) -> dict[str, list[Correlation]]:
    """For each rule, the correlations that refer to it, by way of others too."""
    by_rule: dict[str, list[Correlation]] = {}
    for each in reversed(correlations):
        above = [each, *by_rule.get(each.info.id, ())]
        for rule in each.rules:
            known = by_rule.setdefault(rule, [])
            known += [other for other in above if other not in known]
    return by_rule


def reach(correlations: Sequence[Correlation]) -> float:
    """Seconds before a correlation's last event that its first may have happened, at most."""
    longest: dict[str, int] = {}
    for each in correlations:
        below = max((longest.get(rule, 0) for rule in each.rules), default=0)
        longest[each.info.id] = each.timespan + below
    return max(longest.values(), default=0)


def _hour(found: Found) -> str:
    return f"{datetime.fromtimestamp(found.bucket.start / SECOND, UTC):%Y-%m-%dT%H}"


def _weigh(payload: Any) -> int:
    if isinstance(payload, Seen):
        return OWN_BYTES + len(bytes(payload.signal.body))
    return SPAN_BYTES


def _evicted(hits: int) -> None:
    metrics.EVICTIONS.labels("correlations").inc(hits)
