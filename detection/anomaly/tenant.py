"""One tenant's behaviour: parts of the log in, alerts out; its state is a place in the log."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from collectors import metrics
from detection.alert import Alert
from detection.anomaly import window as windows
from detection.anomaly.alerting import Alerting
from detection.anomaly.budget import OPEN, Ledger
from detection.anomaly.lessons import ATTACK, HARMLESS, Lesson, Lessons, Names, Said, Told
from detection.anomaly.library import Watched
from detection.anomaly.model import Model
from detection.anomaly.nights import Compared, Fitted, Nights
from detection.anomaly.part import Part
from detection.anomaly.prior import Prior
from detection.anomaly.profile import Observation
from detection.anomaly.ranking import Group
from detection.anomaly.split import Heard
from detection.anomaly.state import DAY
from detection.anomaly.timing import Timing
from detection.anomaly.watch import Calendar, Judged, Watch
from detection.anomaly.watch import Kept as KeptWatch
from detection.anomaly.window import Windows

DEFAULT_BUDGET: Final = 2.0
FORGET: Final = 3600.0
"""Seconds of event time between two looks for what can be forgotten."""
UNSEEN: Final = 7 * DAY
"""Seconds after which an alert that nobody judged is taken, weakly, for harmless."""
INCIDENT: Final = 3.0
"""How many times a day's budget of alerts is wanted when that must be an attack."""


class KeptProfile(msgspec.Struct):
    """What is kept of one profile."""

    timing: Timing
    alerting: Alerting
    nights: Nights
    watch: KeptWatch | None = None
    open: list[bytes] = []
    closed_to: float = float("-inf")


class Kept(msgspec.Struct):
    """All that a tenant's behaviour is, at one place of its log."""

    tenant: str
    v: int = 2
    offset: int = 0
    """The next record of `behaviour.<tenant>` that is wanted."""
    time: float = 0.0
    """When the bus took the latest record that was counted."""
    places: dict[str, int] = {}
    """By topic and partition, the last offset that was counted."""
    budget: float = DEFAULT_BUDGET
    share: float = 1.0
    off: list[str] = []
    ledger: Ledger = msgspec.field(default_factory=Ledger)
    profiles: dict[str, KeptProfile] = {}
    lessons: Lessons = msgspec.field(default_factory=Lessons)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Kept).decode


def to_bytes(kept: Kept) -> bytes:
    """As it stands on disk: plain numbers and texts."""
    return _encode(kept)


def from_bytes(data: bytes) -> Kept:
    """Undo to_bytes. Raises ValueError for anything else, and for another version's."""
    try:
        kept = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"expected what a tenant's behaviour has taught: {error}") from error
    if kept.v != 2:
        raise ValueError(f"expected a checkpoint of version 2, got {kept.v}")
    return kept


class Running:
    """One profile of a tenant at work."""

    def __init__(
        self,
        kept: KeptProfile,
        tenant: str,
        watched: Watched,
        calendar: Calendar,
        lateness: float,
        ledger: Ledger,
    ) -> None:
        self.kept = kept
        self.profile = watched.profile
        self._ledger = ledger
        self._lateness = lateness
        self._windows = Windows(watched.profile)
        list(self._windows.close(kept.closed_to))
        for data in kept.open:
            self._windows.restore(windows.from_bytes(data))
        kept.open = []
        self.watch = Watch(
            tenant,
            watched.profile,
            calendar=calendar,
            accept=self._accept,
            kept=kept.watch,
            ledger=ledger,
        )
        kept.watch = self.watch.kept
        self.fitted: list[Fitted] = []

    def see(self, observations: Iterable[Observation]) -> None:
        """Count events; those of a window that was closed already are late, and left out."""
        before, add = self._windows.late, self._windows.add
        for observation in observations:
            add(observation)
        metrics.LATE_EVENTS.inc(self._windows.late - before)

    def close(self, receipt: float) -> Iterator[Judged]:
        """The windows whose time is over, judged."""
        due = self.kept.timing.advance(receipt) - self._lateness
        if due <= self.kept.closed_to:
            return
        before, self.kept.closed_to = self.kept.closed_to, due
        for together in self._windows.close(due):
            metrics.WINDOWS.inc(len(together))
            for judged in self.watch.closed(together):
                self.kept.alerting.remember(judged)
                yield judged
        if before // FORGET < due // FORGET:
            self.kept.alerting.forget(due)

    def _accept(self, tonight: Model, before: Model | None) -> Model:
        """Thresholds stay where they are while an attack is going on."""

        def fitted(version: str, compared: Compared | None, live: bool) -> None:
            habits = self.watch.habits(tonight)
            self.fitted.append(Fitted(self.profile.name, version, tonight, compared, live, habits))

        past = self.watch.kept.past
        incident = self._ledger.lately(past[-1].end) > INCIDENT * max(1.0, self.watch.budget)
        return self.kept.nights.accept(tonight, before, past, incident=incident, fitted=fitted)

    def keep(self) -> KeptProfile:
        """Its state, the open windows with it."""
        held = sorted(self._windows, key=lambda each: (each.start, each.entity))
        return msgspec.structs.replace(self.kept, open=[windows.to_bytes(each) for each in held])


class TenantBehaviour:
    """Deterministic: the same log gives the same state and the same alerts."""

    def __init__(
        self,
        kept: Kept,
        *,
        watched: Mapping[str, Watched],
        calendar: Calendar,
        lateness: float,
        names: Names,
    ) -> None:
        self._kept = kept
        self._watched = watched
        self._calendar = calendar
        self._lateness = lateness
        self._names = names
        self._ranking = kept.lessons.ranking()
        self._running: dict[str, Running] = {}
        for name, profile in kept.profiles.items():
            if name in watched:
                self._running[name] = self._run(name, profile)

    @property
    def tenant(self) -> str:
        """Whose behaviour it is."""
        return self._kept.tenant

    @property
    def offset(self) -> int:
        """The next record of its log that is wanted."""
        return self._kept.offset

    @property
    def time(self) -> float:
        """When the bus took the latest record that was counted."""
        return self._kept.time

    def keep(self) -> Kept:
        """All of it, to go on from later."""
        profiles = {name: each.keep() for name, each in self._running.items()}
        return msgspec.structs.replace(self._kept, profiles={**self._kept.profiles, **profiles})

    def hear(self, said: Said) -> Lesson | None:
        """Take a verdict; what it teaches, where the alert is one that is still remembered.

        A confirmed attack is not usual behaviour, from its first window to the end of its alert.
        """
        for running in self._running.values():
            told = running.kept.alerting.told.get(said.alert)
            if told is None:
                continue
            running.kept.alerting.settle(said.alert)
            running.watch.kept.gate.settled(told.entity)
            if said.verdict == ATTACK or said.verdict in HARMLESS:
                verdict = Heard(told.view, said.verdict == ATTACK, told.first)
                running.watch.hear(said.alert, verdict)
            if said.verdict == ATTACK:
                running.watch.unlearn(told.entity, told.first, told.first + OPEN)
            return self._names.lesson(told, said)
        return None

    def teach(self, lessons: Iterable[Lesson]) -> None:
        """Learn from verdicts of whatever tenant."""
        for lesson in lessons:
            self._kept.lessons.add(lesson)
        self._kept.lessons.unseen = list(self._unseen())
        self._ranking = self._kept.lessons.ranking()

    def _unseen(self) -> Iterator[Group]:
        for _, running in sorted(self._running.items()):
            judged = running.watch.kept.verdicts
            for alert, told in running.kept.alerting.told.items():
                if alert not in judged and told.first + UNSEEN < self._kept.time:
                    yield self._names.group(told)

    def _odds(self, told: Told) -> float:
        return float(self._ranking.odds([self._names.group(told)])[0])

    def go_back(self, profile: str, model: Model | None) -> None:
        """Hold to an earlier model, or with none let the nights' go live again."""
        running = self._running.get(profile)
        if running is None:
            return
        if model is None:
            running.kept.nights.release()
        else:
            running.kept.nights.hold(model)
            running.watch.judge_by(model)

    def wanting(self) -> list[str]:
        """The profiles whose first day goes on without help."""
        return [name for name, running in self._running.items() if running.watch.wants_prior]

    def borrow(self, profile: str, prior: Prior) -> None:
        """Let what others lend judge the first day of a profile, if it is not over."""
        if profile in self._running:
            self._running[profile].watch.borrow(prior)

    def take_fitted(self) -> list[Fitted]:
        """The models that were fitted since the last call."""
        fitted = [each for running in self._running.values() for each in running.fitted]
        for running in self._running.values():
            running.fitted.clear()
        return fitted

    def read_to(self, offset: int) -> None:
        """Everything before `offset` of the log has been taken."""
        self._kept.offset = max(self._kept.offset, offset)

    def take(self, part: Part, revision: int) -> list[Alert]:
        """Count one record's part; one that was counted before does nothing."""
        kept, place = self._kept, f"{part.topic}/{part.partition}"
        if part.offset <= kept.places.get(place, -1):
            return []
        kept.places[place] = part.offset
        kept.time = max(kept.time, part.time)
        kept.budget, kept.share = part.budget, part.share
        if part.off is not None:
            kept.off = part.off
        for name, observations in part.seen.items():
            if name in self._watched:
                self._of(name).see(observations)
        for name, sources in part.heard.items():
            for source, latest in sources.items() if name in self._running else ():
                self._running[name].kept.timing.hear(source, latest, part.time)
        for source, moment in part.ticks.items():
            for running in self._running.values():
                running.kept.timing.tick(source, moment)
        return self._close(part.time, revision)

    def _close(self, receipt: float, revision: int) -> list[Alert]:
        alerts: dict[str, Alert] = {}
        kept, running_now = self._kept, [self._running[name] for name in sorted(self._running)]
        for running in running_now:
            running.watch.budget, running.watch.off = kept.budget, kept.off
            running.watch.share = kept.share / len(running_now)
            for judged in running.close(receipt):
                alert = running.kept.alerting.tell(
                    judged,
                    running.profile,
                    tenant=self.tenant,
                    model=judged.model if judged.learning else running.kept.nights.version,
                    received=receipt,
                    revision=revision,
                    odds=self._odds,
                    names=self._names,
                )
                if alert is not None:
                    alerts[alert.id] = alert
        return list(alerts.values())

    def _of(self, name: str) -> Running:
        if name not in self._running:
            profile = KeptProfile(Timing(), Alerting(), Nights())
            self._running[name] = self._run(name, profile)
        return self._running[name]

    def _run(self, name: str, profile: KeptProfile) -> Running:
        return Running(
            profile,
            self.tenant,
            self._watched[name],
            self._calendar,
            self._lateness,
            self._kept.ledger,
        )
