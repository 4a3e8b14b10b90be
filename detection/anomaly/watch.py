"""One tenant's one log source under watch: closed windows in, judged windows out."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from detection.anomaly import model as models
from detection.anomaly import state as states
from detection.anomaly.budget import Gate, Ledger, Standing
from detection.anomaly.features import Comparison, Measured, measured
from detection.anomaly.model import Model, Past, Scorer
from detection.anomaly.prior import Borrowed, Habits, Prior, habits_of
from detection.anomaly.profile import Profile
from detection.anomaly.reasons import Reason, Whose, keys, reason
from detection.anomaly.split import MOST, Heard, moved
from detection.anomaly.state import DAY, State
from detection.anomaly.views import SHARES, VIEWS, View
from detection.anomaly.window import Behaviour, Window, close

LEARNING: Final = DAY
"""Seconds of history before a tenant's own model alerts; until then what others lend judges."""
HOUR: Final = 3600.0
REFIT: Final = 50
"""Windows between two fits where windows have no time."""

Calendar = Callable[[float], int]
"""The hour of the week that a time (Unix seconds) falls into for the tenant."""
Accept = Callable[[Model, Model | None], Model]
"""Told of tonight's model and yesterday's, says which goes live."""


def hour_of_week(time: float) -> int:
    """In UTC, Monday 00:00 is 0."""
    return (int(time // 3600) + 72) % 168


class Judged(msgspec.Struct, frozen=True, gc=False):
    """A closed window with what the views make of it."""

    behaviour: Behaviour
    measured: Measured
    raw: dict[View, float]
    p_views: dict[View, float]
    score: float
    """Decades by which the strongest view is past its threshold."""
    p: float
    """Bound on the share of the tenant's usual windows in which any view goes as far."""
    views: tuple[View, ...]
    """Those past their threshold, the strongest first."""
    reasons: tuple[Reason, ...]
    standing: Standing
    """What it is to people, by its reasons and by the day's budget."""
    model: str
    windows: int
    """How many it was compared with; none is said to be rarer than that."""
    learning: bool

    @property
    def alert(self) -> bool:
        """Whether people hear of it."""
        return self.standing in (Standing.OPENS, Standing.SPEAKS)


class _By(NamedTuple):
    """What windows are judged by."""

    version: str
    windows: int
    whose: Whose


class Kept(msgspec.Struct):
    """All that outlives a restart."""

    state: State
    gate: Gate
    past: list[Past]
    model: Model | None
    day: int
    count: int
    prior: Prior | None = None
    """What others lend, for as long as the first day lasts."""
    verdicts: dict[str, Heard] = {}
    """What people said of alerts, by the alert's id; the latest word on each."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Kept).decode


def to_bytes(kept: Kept) -> bytes:
    """What is kept, as plain numbers and texts."""
    return _encode(kept)


def from_bytes(data: bytes) -> Kept:
    """Undo to_bytes. Raises ValueError for anything else."""
    try:
        return _decode(data)
    except msgspec.DecodeError as error:
        raise ValueError(f"expected what a watch keeps: {error}") from error


class Watch:
    """Scores each window against what was known before it, then learns from it; refits at night."""

    def __init__(
        self,
        tenant: str,
        profile: Profile,
        *,
        budget: float = 2.0,
        shares: Sequence[float] | None = None,
        calendar: Calendar = hour_of_week,
        accept: Accept = lambda tonight, _: tonight,
        kept: Kept | None = None,
        ledger: Ledger | None = None,
        verdicts: Mapping[tuple[str, float], bool] | None = None,
    ) -> None:
        """`budget`: alerts a day that the tenant may cost, paid from the `ledger` that its profiles
        share; `verdicts` says of windows (entity and start) whether they were an attack;
        `shares` is how the budget is split over VIEWS before people have said anything."""
        self.tenant = tenant
        self.profile = profile
        self.budget = budget
        self.share = 1.0
        """The part of the budget that this profile's thresholds are made for."""
        self.off: Collection[str] = ()
        """Views of which the tenant wants no alerts."""
        self._ledger = ledger or Ledger()
        self.shares = SHARES[profile.kind] if shares is None else shares
        self._calendar = calendar
        self._accept = accept
        if kept is None:
            state = states.empty(profile, measured(len(profile.facets)))
            kept = Kept(state, Gate(), [], None, 0, 0)
        self.kept = kept
        self._scorer = Scorer(kept.model) if kept.model else None
        self._borrowed = Borrowed(kept.prior) if kept.prior else None
        self._verdicts = verdicts or {}

    def closed(self, windows: Sequence[Window]) -> list[Judged]:
        """Judge windows that end together; none of them is known to any other."""
        if not windows:
            return []
        self._nights(windows[0])
        if self._borrowed is not None and self._over(windows[0].end):
            self.kept.prior = self._borrowed = None
        done = [self._close(window) for window in windows]
        hours = [self._calendar(each.start) if self.profile.timed else None for each in done]
        comparison = Comparison(self.kept.state)
        seen = [comparison.measure(*each) for each in zip(done, hours, strict=True)]
        judged = self._placed(self._judge(done, seen, hours, comparison))
        for each, numbers, hour in zip(judged, seen, hours, strict=True):
            self._learn(each, numbers, hour)
        return judged

    def _close(self, window: Window) -> Behaviour:
        entity = self.kept.state.entities.get(window.entity)
        return close(window, self.profile, entity.last if entity else None)

    def _learn(self, judged: Judged, seen: Measured, hour: int | None) -> None:
        """`seen` is without what others lend: nothing of theirs becomes part of what is known."""
        done, kept = judged.behaviour, self.kept
        attack = self._verdicts.get((done.entity, done.start))
        if attack is not None and judged.alert:
            about = Heard(judged.views[0], attack, done.start)
            self.hear(f"{done.entity} {done.start}", about)
        if attack:
            return
        states.learn(kept.state, done, seen.quantities, hour or 0)
        kept.past.append(
            Past(
                done.end,
                done.entity,
                seen.features,
                -1.0 if attack is False else judged.score,
                seen.age,
            )
        )
        kept.count += 1

    def _nights(self, window: Window) -> None:
        kept = self.kept
        if self.profile.timed:
            day = int(window.start // DAY)
            if day > kept.day:
                first, kept.day = not kept.day, day
                states.pass_night(kept.state, day)
                if not first:
                    self.refit()
        elif kept.count and kept.count % REFIT == 0:
            self.refit()

    def hear(self, alert: str, verdict: Heard) -> None:
        """Take what people said of an alert; the next night moves the views' shares by it."""
        verdicts = self.kept.verdicts
        verdicts[alert] = verdict
        while len(verdicts) > MOST:
            del verdicts[next(iter(verdicts))]

    def unlearn(self, entity: str, since: float, until: float) -> None:
        """Leave an entity's windows of a confirmed attack, and what they brought in, out of what is
        taken for usual."""
        kept = self.kept
        states.unlearn(kept.state, entity, since, until)
        kept.past = [
            each for each in kept.past if each.entity != entity or not since < each.end <= until
        ]

    def habits(self, model: Model) -> Habits | None:
        """What could be lent to others' first day, with tonight's model; None while too young."""
        return habits_of(self.kept.state, self.kept.past, model, self.profile)

    @property
    def wants_prior(self) -> bool:
        """Whether its first day is not over, and nothing is lent to it yet."""
        kept = self.kept
        latest = kept.past[-1].end if kept.past else kept.state.first
        return self.profile.timed and kept.prior is None and not self._over(latest)

    def borrow(self, prior: Prior) -> None:
        """Judge the first day by what others lend, if one is wanted and of this profile."""
        if self.wants_prior and len(prior.facets) == len(self.profile.facets):
            self.kept.prior = prior
            self._borrowed = Borrowed(prior)

    def judge_by(self, model: Model) -> None:
        """Go on with another model, until a night's is accepted."""
        self.kept.model = model
        self._scorer = Scorer(model)

    def refit(self) -> None:
        """Fit tonight's model, and go on with it if it is accepted."""
        kept = self.kept
        if kept.past:
            kept.gate.forget(kept.past[-1].end)
            self._ledger.forget(kept.past[-1].end)
            oldest = kept.past[-1].end - models.LONGEST - DAY
            if self.profile.timed and kept.past[0].end < oldest:
                kept.past = [each for each in kept.past if each.end >= oldest]
        latest = kept.past[-1].end if kept.past else 0.0
        shares = moved(self.shares, kept.verdicts.values(), latest)
        tonight = models.fit(kept.past, self.profile, self.budget * self.share, shares)
        if tonight is not None:
            kept.model = self._accept(tonight, kept.model)
            self._scorer = Scorer(kept.model)

    def _judge(
        self,
        done: Sequence[Behaviour],
        seen: Sequence[Measured],
        hours: Sequence[int | None],
        comparison: Comparison,
    ) -> list[Judged]:
        learning, lent = not self._over(done[0].end), self._borrowed
        if lent is not None:
            seen = [
                comparison.measure(each, hour, lent.weigh)
                for each, hour in zip(done, hours, strict=True)
            ]
            budget, per_day = self.budget * self.share, self._per_day(done[0])
            scores = lent.score(_rows(done, seen), self.shares, budget, per_day)
            by = _By(lent.prior.version, lent.prior.windows, Whose.OTHERS)
        elif self._scorer is not None:
            model = self._scorer.model
            scores = self._scorer.score(_rows(done, seen))
            by = _By(model.version, model.windows, Whose.OWN)
        else:
            return [_unjudged(each, numbers) for each, numbers in zip(done, seen, strict=True)]
        numbers = zip(
            scores.raw.tolist(),
            scores.p.tolist(),
            scores.margin.tolist(),
            scores.combined.tolist(),
            strict=True,
        )
        rows = zip(done, seen, numbers, strict=True)
        return [self._judged(each, what, by, learning, *row) for each, what, row in rows]

    def _judged(
        self,
        done: Behaviour,
        seen: Measured,
        by: _By,
        learning: bool,
        raw: list[float],
        p: list[float],
        margin: list[float],
        combined: float,
    ) -> Judged:
        order = sorted(range(len(VIEWS)), key=lambda view: -margin[view])
        past = tuple(
            VIEWS[view] for view in order if margin[view] >= 0.0 and VIEWS[view] not in self.off
        )
        by_view = dict(zip(VIEWS, p, strict=True))
        return Judged(
            behaviour=done,
            measured=seen,
            raw=dict(zip(VIEWS, raw, strict=True)),
            p_views=by_view,
            score=margin[order[0]],
            p=combined,
            views=past,
            reasons=tuple(
                reason(view, done, seen, self.profile, by_view[view], by.windows, by.whose)
                for view in past
            ),
            standing=Standing.NOTHING,
            model=by.version,
            windows=by.windows,
            learning=learning,
        )

    def _over(self, time: float) -> bool:
        """Whether the first day, of event time, is over."""
        first = self.kept.state.first
        return not self.profile.timed or (bool(first) and time - first >= LEARNING)

    def _per_day(self, done: Behaviour) -> float:
        """How many windows a first day seems to have, from those so far."""
        so_far = done.end - (self.kept.state.first or done.start)
        return self.kept.count * DAY / max(so_far, HOUR)

    def _placed(self, judged: list[Judged]) -> list[Judged]:
        """What each is to people; of those that end together the most unusual asks first."""
        lent = self._borrowed is not None
        best = sorted(
            (at for at, each in enumerate(judged) if each.views and (lent or not each.learning)),
            key=lambda at: (-judged[at].score, judged[at].behaviour.entity),
        )
        for at in best:
            standing = self._standing(judged[at])
            judged[at] = msgspec.structs.replace(judged[at], standing=standing)
        return judged

    def _standing(self, judged: Judged) -> Standing:
        if not self.profile.timed:
            return Standing.OPENS
        done, gate = judged.behaviour, self.kept.gate
        reasons = frozenset[str]().union(*(keys(view, judged.measured) for view in judged.views))
        entity = f"{self.profile.kind} {done.entity}"
        new, standing = gate.new(done.entity, reasons, done.end), Standing.NOTHING
        if gate.on_alert(done.entity, done.end):
            if new:
                standing = self._ledger.speak(entity, done.start, judged.score, self.budget)
        elif new:
            standing = self._ledger.enter(entity, done.start, self.budget)
        if standing is Standing.OPENS:
            gate.raises(done.entity, done.end)
        if not new or standing in (Standing.OPENS, Standing.SPEAKS):
            gate.told(done.entity, reasons, done.end)
        return standing


def _rows(done: Sequence[Behaviour], seen: Sequence[Measured]) -> list[Past]:
    return [
        Past(each.end, each.entity, numbers.features, age=numbers.age)
        for each, numbers in zip(done, seen, strict=True)
    ]


def _unjudged(done: Behaviour, seen: Measured) -> Judged:
    return Judged(
        done, seen, {}, {}, -1.0, 1.0, (), (), Standing.NOTHING, model="", windows=0, learning=True
    )
