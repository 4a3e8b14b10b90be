"""The lines of a record as profiles see them: only the fields that they ask for are decoded."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from collectors import event
from collectors.event import Soc
from collectors.logsource import LogSource
from detection.alert import Alert
from detection.anomaly.decoding import ENVELOPE, Decode, decoder
from detection.anomaly.library import ALERTS, KINDS, Watched
from detection.anomaly.profile import Observation, Observe, Row, columns_of, observer, row_of
from detection.incoming import legible
from detection.schema_view import view
from detection.tally import moment

MOST: Final = 10_000
"""Sets of log sources, and spellings of them, that are remembered."""
LOGSOURCES: Final = b'"logsources":'
WATCHED: Final = frozenset({KINDS["host"]})
"""Kinds of entities whose alerts are behaviour."""
ENTITIES: Final = 1 << 16
"""Names of a profile's entities of which the one spelling is remembered."""

Fields = Mapping[str, Any]
Seers = Sequence[tuple[str, Observe]]
"""How the profiles that watch an event see it, by their names."""


class Sights:
    """What a record shows."""

    def __init__(self) -> None:
        self.heard: dict[str, dict[str, float]] = defaultdict(dict)
        """By profile and source, the latest time of events, Unix seconds."""
        self.seen: dict[str, list[Observation]] = defaultdict(list)
        """By profile, its events as it sees them."""

    def add(self, row: Row, seers: Seers) -> None:
        """Look at an event. Raises ValueError for an envelope that none of our doors wrote."""
        soc = row[-1]
        time, identity, source = moment(soc.time), int(soc.id[:16], 16), soc.source
        for name, observe in seers:
            observation = observe(row, time, identity)
            if observation is not None:
                self.seen[name].append(observation)
                sources = self.heard[name]
                if time >= sources.get(source, time):
                    sources[source] = time


class Plan(msgspec.Struct, frozen=True):
    """How events of one set of log sources are read."""

    logsources: tuple[str, ...]
    columns: tuple[str, ...]
    """Of a row of such an event; its envelope comes last."""
    decode: Decode
    seers: Seers

    def fits(self, soc: Soc) -> bool:
        """Whether the envelope of a decoded event proves that it is of these log sources."""
        return soc.logsources == self.logsources and soc.v in event.READABLE and not soc.schema


class Lines:
    """Reads lines of events.

    The end of a line up to the bracket that closes its log sources tells which fields to decode;
    that is only a guess, which the envelope has to prove. What is odd is decoded whole.
    """

    def __init__(self, watched: Sequence[Watched]) -> None:
        self._watched = [each for each in watched if each.profile.timed]
        self._name_of = [lru_cache(ENTITIES)(each.name_of) for each in self._watched]
        self._plans: dict[tuple[str, ...], Plan] = {}
        self._guesses: dict[bytes, Plan] = {}

    def events(self, value: bytes, tenant: str) -> Sights:
        """The events of the tenant that a profile watches; other lines are left out."""
        sights = Sights()
        for line in value.split(b"\n"):
            plan = self._guesses.get(_named(line))
            row = None if plan is None else plan.decode(line)
            try:
                if plan is None or row is None or not plan.fits(row[-1]):
                    row, plan = self._whole(line)
                if row[-1].tenant == tenant:
                    sights.add(row, plan.seers)
            except ValueError:
                continue
        return sights

    def alerts(self, value: bytes, tenant: str) -> Sights:
        """Alerts of rules as events; our own are left out, lest the stage watch itself."""
        sights = Sights()
        for line in value.split(b"\n"):
            try:
                alert = _decode_alert(line)
                watched = alert.unusual is None and alert.entity.kind in WATCHED
                if watched and alert.tenant == tenant:
                    row, plan = self._row(*_as_event(alert))
                    sights.add(row, plan.seers)
            except (msgspec.DecodeError, ValueError):
                continue
        return sights

    def _whole(self, line: bytes) -> tuple[Row, Plan]:
        """Decode every value; the next line that ends like this one need not be."""
        fields, soc = event.decode(line)
        soc = msgspec.convert(legible(msgspec.to_builtins(soc)), Soc)
        row, plan = self._row(_by_rules_names(fields, soc), soc)
        if len(self._guesses) > MOST:
            self._guesses.clear()
        self._guesses.setdefault(_named(line), plan)
        return row, plan

    def _row(self, fields: Fields, soc: Soc) -> tuple[Row, Plan]:
        plan = self._plan_of(soc.logsources)
        return [*row_of(fields, plan.columns[:-1]), soc], plan

    def _plan_of(self, logsources: tuple[str, ...]) -> Plan:
        """Raises ValueError for what are no log sources."""
        found = self._plans.get(logsources)
        if found is None:
            if len(self._plans) > MOST:
                self._plans.clear()
            parsed = [LogSource.parse(each) for each in logsources]
            named = zip(self._watched, self._name_of, strict=True)
            fitting = [(each.profile, name_of) for each, name_of in named if each.sees(parsed)]
            asked = {name for profile, _ in fitting for name in columns_of(profile)} - {ENVELOPE}
            columns = (*sorted(asked), ENVELOPE)
            seers = [
                (profile.name, observer(profile, columns, name_of)) for profile, name_of in fitting
            ]
            found = Plan(logsources, columns, decoder(columns[:-1], Soc), seers)
            self._plans[logsources] = found
        return found


def _by_rules_names(fields: Fields, soc: Soc) -> Fields:
    """An event of another schema with Sigma's names beside its own."""
    shown = view(soc.schema) if soc.schema else None
    return fields if shown is None else shown(fields, map(LogSource.parse, soc.logsources))


def _named(line: bytes) -> bytes:
    """How a line seems to name its log sources; nothing where it names none."""
    _, found, rest = line.rpartition(LOGSOURCES)
    return rest.partition(b"]")[0] if found else b""


def _as_event(alert: Alert) -> tuple[Mapping[str, Any], Soc]:
    soc = Soc(
        v=1,
        id=alert.id,
        tenant=alert.tenant,
        source="alerts",
        received=alert.received,
        time=alert.first,
        logsources=(str(ALERTS),),
    )
    return {"rule": alert.rule, "level": alert.level, "entity": alert.entity.name}, soc


_decode_alert = msgspec.json.Decoder(Alert).decode
