"""Unusual windows as alerts: one an entity, amended while it is open."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from collectors.event import timestamp
from detection.alert import Alert
from detection.anomaly.budget import OPEN, Standing
from detection.anomaly.lessons import Names, Told, told_of
from detection.anomaly.library import KINDS
from detection.anomaly.profile import Profile
from detection.anomaly.watch import Judged
from detection.signal import Entity
from detection.unusual import RULE, TITLES, Aspect, Stretch, Unusual

HISTORY: Final = 32
"""Windows of an entity that are kept for the picture."""
LEVELS: Final = ((2.0, "high"), (-2.0, "medium"), (float("-inf"), "low"))
"""Learned log-odds from which an alert has a level: they order the queue and hide nothing."""

Lines = dict[str, list[tuple[float, float, bool]]]
"""By entity, the start, number of events and unusualness of its latest windows."""


class Open(msgspec.Struct, array_like=True):
    """An alert that may still be amended."""

    id: str
    view: str
    first: float
    last: float
    count: int
    received: float
    worst: float
    """Score of the window that the alert tells of."""
    unusual: Unusual


class Alerting(msgspec.Struct):
    """What has been said of one profile's entities."""

    open: dict[str, Open] = {}
    """By entity."""
    lines: Lines = {}
    told: dict[str, Told] = {}
    """By alert, what a verdict on it will be about."""

    def remember(self, judged: Judged) -> None:
        """Keep a window for the picture of its entity."""
        done = judged.behaviour
        line = self.lines.setdefault(done.entity, [])
        line.append((done.start, done.events, bool(judged.views)))
        del line[:-HISTORY]

    def tell(
        self,
        judged: Judged,
        profile: Profile,
        *,
        tenant: str,
        model: str,
        received: float,
        revision: int,
        odds: Callable[[Told], float],
        names: Names,
    ) -> Alert | None:
        """The alert that a window opens or amends, None where it does neither."""
        done = judged.behaviour
        if not judged.views:
            return None
        known = self.open.get(done.entity)
        if judged.standing is Standing.OPENS:
            known = self.open[done.entity] = self._new(judged, profile, model, received, names)
        elif judged.standing is Standing.BELOW:
            known = self._new(judged, profile, model, received, names)
        elif known is None or known.last + OPEN < done.start:
            return None
        else:
            known.count += 1
            known.first, known.last = min(known.first, done.start), max(known.last, done.end)
            if judged.score > known.worst:
                known.worst = judged.score
                known.unusual = _unusual(judged, profile, model, self.lines[done.entity])
        return _alert(known, profile, tenant, done.entity, revision, odds(self.told[known.id]))

    def forget(self, now: float) -> None:
        """Let go of what can't be amended any more, and of pictures of those long silent."""
        self.open = {key: one for key, one in self.open.items() if one.last + OPEN >= now}
        kept = {name: line for name, line in self.lines.items() if line[-1][0] + 30 * OPEN >= now}
        self.lines = kept
        self.told = {id_: one for id_, one in self.told.items() if one.first + 30 * OPEN >= now}

    def settle(self, alert: str) -> None:
        """People have said what an alert was: it is amended no more."""
        self.open = {key: one for key, one in self.open.items() if one.id != alert}

    def _new(
        self, judged: Judged, profile: Profile, model: str, received: float, names: Names
    ) -> Open:
        done, view = judged.behaviour, judged.views[0]
        id_ = names.alert(profile.name, done.entity, done.start)
        self.told[id_] = told_of(judged, profile.name, view)
        return Open(
            id=id_,
            view=view,
            first=done.start,
            last=done.end,
            count=1,
            received=received,
            worst=judged.score,
            unusual=_unusual(judged, profile, model, self.lines[done.entity]),
        )


def _alert(
    known: Open, profile: Profile, tenant: str, entity: str, revision: int, odds: float
) -> Alert:
    kind = KINDS[profile.kind]
    first = _time(known.first)
    return Alert(
        id=known.id,
        revision=revision,
        tenant=tenant,
        rule=RULE + known.view,
        title=TITLES[known.view],
        level=next(level for least, level in LEVELS if odds >= least),
        ruleset=f"model {known.unusual.model}",
        entity=Entity(kind, entity),
        hour=first[:13],
        count=known.count,
        first=first,
        last=_time(known.last),
        received=_time(known.received),
        related={kind: [entity]},
        unusual=known.unusual,
    )


def _unusual(
    judged: Judged, profile: Profile, model: str, line: list[tuple[float, float, bool]]
) -> Unusual:
    done = judged.behaviour
    return Unusual(
        profile=profile.name,
        model=model,
        start=_time(done.start),
        end=_time(done.end),
        field=profile.entity,
        score=round(judged.score, 4),
        p=judged.p,
        windows=judged.windows,
        aspects=tuple(Aspect(view=each.view, sentence=each.text) for each in judged.reasons),
        history=tuple(Stretch(_time(start), events, odd) for start, events, odd in line),
        learning=judged.learning,
        below=judged.standing is Standing.BELOW,
    )


def _time(seconds: float) -> str:
    return timestamp(datetime.fromtimestamp(seconds, UTC))
