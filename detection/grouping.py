"""One tenant's signals become alerts: repeats of a rule and entity in an hour are one."""

from collections import OrderedDict
from typing import Final

from collectors import metrics
from detection.alert import Alert, alert_id
from detection.policy import State
from detection.seen import Seen
from detection.signal import Place, Signal
from detection.tally import Tally, moment

DAY: Final = 86400.0
HOUR: Final = 3600.0
OPEN: Final = 7 * DAY
"""Seconds after its hour for which an alert takes signals; what comes later is another alert."""
SLACK: Final = DAY
"""Seconds that detection may lag behind receipt."""
REREAD: Final = OPEN + SLACK + HOUR
"""Seconds of the signals log that hold every signal of every alert that may still grow."""
MEMORY: Final = 64 * 1024 * 1024
"""Bytes of all tallies of a tenant."""
SWEEP_EVERY: Final = HOUR


class Grouping:
    """The state of one tenant, a function of its signals log and nothing else."""

    def __init__(self, tenant: str, seen: Seen, *, memory: int = MEMORY) -> None:
        self.tenant = tenant
        self.time = 0.0
        """When the bus took the latest record, Unix seconds."""
        self._seen = seen
        self._memory = memory
        self._size = 0
        self._last: dict[tuple[int, str], Place] = {}
        self._tallies: OrderedDict[str, Tally] = OrderedDict()
        self._changed: dict[str, Tally] = {}
        self._swept = 0.0

    def advance(self, time: float) -> None:
        """A record was taken at `time`; what can't grow any more may be forgotten."""
        self.time = time
        if time - self._swept > SWEEP_EVERY:
            self._swept = time
            for tally in [each for each in self._tallies.values() if each.expires < time]:
                self._drop(tally)
            self._seen.drop_old(self.tenant, time)

    def add(self, signal: Signal, revision: int) -> None:
        """Count a signal, unless it has been counted. Raises Overloaded, and may be called again.

        Raises ValueError, having done nothing, for a signal whose times are none.
        """
        if signal.state is not State.ALERT:
            return
        received, happened = moment(signal.received), moment(signal.time)
        stream = signal.place.partition, signal.rule
        last = self._last.get(stream)
        if last is not None and _order(signal.place) <= _order(last):
            metrics.REPEATS.labels("redelivery").inc()
            return
        new = self._seen.is_new(self.tenant, signal.id, received=received, taken=self.time)
        self._last[stream] = signal.place
        if not new:
            metrics.REPEATS.labels("sender").inc()
            return
        self._count(self._tally(signal, received, happened), signal, revision)

    def take(self) -> list[Alert]:
        """The alerts that have changed since the last call, each once."""
        alerts = []
        for tally in self._changed.values():
            metrics.ALERTS.labels("again" if tally.sent else "first").inc()
            tally.sent = True
            alerts.append(tally.alert())
        self._changed.clear()
        return alerts

    def settle(self) -> None:
        """What has changed so far had been sent before: this was a rebuild."""
        for tally in self._changed.values():
            tally.sent = True
        self._changed.clear()

    def _tally(self, signal: Signal, received: float, happened: float) -> Tally:
        hour = happened // HOUR * HOUR
        bucket, expires = signal.time[:13], hour + OPEN + SLACK
        if received - hour > OPEN:
            # too late for the hour's own alert, which may be forgotten: one for each day it comes
            day = received // DAY * DAY
            bucket, expires = f"{bucket} received {signal.received[:10]}", day + DAY + SLACK
        id_ = alert_id(self.tenant, signal.rule, signal.entity, bucket)
        tally = self._tallies.get(id_)
        if tally is not None and tally.expires < self.time:
            self._drop(tally)
            tally = None
        if tally is None:
            tally = self._tallies[id_] = Tally(id_, expires)
            self._size += tally.size
        return tally

    def _count(self, tally: Tally, signal: Signal, revision: int) -> None:
        before = tally.size
        tally.add(signal, revision)
        self._size += tally.size - before
        self._tallies.move_to_end(tally.id)
        self._changed[tally.id] = tally
        while self._size > self._memory and len(self._tallies) > 1:
            self._drop(next(iter(self._tallies.values())))
            metrics.EVICTIONS.labels("alerts").inc()

    def _drop(self, tally: Tally) -> None:
        del self._tallies[tally.id]
        self._size -= tally.size


def _order(place: Place) -> tuple[int, int]:
    return place.offset, place.line
