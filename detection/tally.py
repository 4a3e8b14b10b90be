"""What has been counted for one alert so far, and the alert that it makes."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import msgspec

from detection.alert import MAX_BODIES, Alert
from detection.signal import NO_BODY, Signal

MAX_BODY_BYTES: Final = 64 * 1024
"""Of all bodies of an alert, as each amendment carries them again."""
MAX_RELATED: Final = 50
MAX_MARKS: Final = 20
MAX_SOURCES: Final = 20
LATE: Final = 3600.0
"""Seconds from event to receipt after which an alert is marked late."""
OWN_BYTES: Final = 3000
"""About what a tally takes in memory besides the bodies."""


def moment(timestamp: str) -> float:
    """Unix seconds of `2026-11-24T13:47:03.123456Z`. Raises ValueError for anything else."""
    if len(timestamp) != 27 or timestamp[26] != "Z":
        raise ValueError(f"expected a time as 2026-11-24T13:47:03.123456Z, got {timestamp[:40]!r}")
    return datetime.fromisoformat(timestamp).timestamp()


class Tally:
    """Grows with each signal of one alert, in the order of the signals log."""

    def __init__(self, id_: str, expires: float) -> None:
        self.id = id_
        self.expires = expires
        """Bus time, Unix seconds, from which on no more signals of it are expected."""
        self.size = OWN_BYTES
        self.sent = False
        self._count = 0
        self._bodies: list[msgspec.Raw] = []
        self._room = MAX_BODY_BYTES
        self._events: list[str] = []
        self._related: dict[str, list[str]] = {}
        self._context: dict[str, dict[str, str]] = {}
        self._marks: list[str] = []
        self._sources: list[str] = []

    def add(self, signal: Signal, revision: int) -> None:
        """Count one signal that stands at `revision` of the signals log."""
        if not self._count:
            self._received, self._first, self._last = signal.received, signal.time, signal.time
            late = moment(signal.received) - moment(signal.time) > LATE
            _merge(self._marks, ["late"] if late else [], MAX_MARKS)
        self._count += 1
        self._signal = msgspec.structs.replace(signal, body=NO_BODY)
        self._revision = revision
        self._first = min(self._first, signal.time)
        self._last = max(self._last, signal.time)
        _merge(self._marks, signal.marks, MAX_MARKS)
        _merge(self._sources, [signal.source], MAX_SOURCES)
        for kind, names in signal.related.items():
            _merge(self._related.setdefault(kind, []), names, MAX_RELATED)
        self._keep_context(signal.context)
        if len(self._events) < MAX_BODIES:
            self._events.append(signal.event)
            self._keep_body(signal.body)

    def alert(self) -> Alert:
        """All of it."""
        last = self._signal
        return Alert(
            id=self.id,
            revision=self._revision,
            tenant=last.tenant,
            rule=last.rule,
            title=last.title,
            level=last.level,
            ruleset=last.ruleset,
            entity=last.entity,
            hour=last.time[:13],
            count=self._count,
            first=self._first,
            last=self._last,
            received=self._received,
            related=self._related,
            marks=tuple(self._marks),
            context=self._context,
            sources=tuple(self._sources),
            events=tuple(self._events),
            bodies=tuple(self._bodies),
        )

    def _keep_context(self, context: Mapping[str, dict[str, str]]) -> None:
        """The first word of each enricher stands."""
        self._context = {**context, **self._context}

    def _keep_body(self, body: msgspec.Raw) -> None:
        """Bodies stand beside their ids, so one that is left out leaves a null."""
        size = len(bytes(body))
        kept = body.copy() if size <= self._room else NO_BODY
        self._room -= len(bytes(kept))
        self.size += len(bytes(kept))
        self._bodies.append(kept)


def _merge(known: list[str], more: Iterable[str], limit: int) -> None:
    """Add what is new, in the order it comes, up to a limit."""
    for each in more:
        if len(known) >= limit:
            return
        if each not in known:
            known.append(each)
