"""The lines of a record as profiles see them: only the fields that they ask for are decoded."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Required

import msgspec

from collectors import event
from collectors.event import Soc
from collectors.logsource import LogSource
from detection.alert import Alert
from detection.anomaly.decoding import ENVELOPE, Decode, decoder
from detection.anomaly.library import ALERTS, KINDS, Watched
from detection.anomaly.profile import Observation, Observe, fields_of, observer
from detection.incoming import legible
from detection.schema_view import view
from detection.tally import moment

MOST: Final = 10_000
"""Sets of log sources, and spellings of them, that are remembered."""
LOGSOURCES: Final = b'"logsources":'
WATCHED: Final = frozenset({KINDS["host"]})
"""Kinds of entities whose alerts are behaviour."""

Fields = Mapping[str, Any]
Seers = Sequence[tuple[Watched, Observe]]


class Sight(NamedTuple):
    """An event as the profiles that watch it see it."""

    source: str
    time: float
    """Unix seconds."""
    observations: Sequence[tuple[str, Observation]]
    """By the name of the profile."""


class Lines:
    """Reads lines of events.

    The end of a line up to the bracket that closes its log sources tells which fields to decode;
    that is only a guess, which the envelope has to prove. What is odd is decoded whole.
    """

    def __init__(self, watched: Sequence[Watched]) -> None:
        self._watched = [each for each in watched if each.profile.timed]
        self._seers: dict[tuple[str, ...], Seers] = {}
        self._decoders: dict[bytes, tuple[tuple[str, ...], Decode]] = {}

    def events(self, value: bytes, tenant: str) -> Iterator[Sight]:
        """The events of the tenant that a profile watches; other lines are left out."""
        for line in value.split(b"\n"):
            known = self._decoders.get(_named(line))
            found = None if known is None else _decoded(line, *known)
            try:
                fields, soc = found or self._whole(line)
                if soc.tenant == tenant:
                    yield self._sight(_by_rules_names(fields, soc), soc)
            except ValueError:
                continue

    def alerts(self, value: bytes, tenant: str) -> Iterator[Sight]:
        """Alerts of rules as events; our own are left out, lest the stage watch itself."""
        for line in value.split(b"\n"):
            try:
                alert = _decode_alert(line)
                watched = alert.unusual is None and alert.entity.kind in WATCHED
                if watched and alert.tenant == tenant:
                    yield self._sight(*_as_event(alert))
            except (msgspec.DecodeError, ValueError):
                continue

    def _sight(self, fields: Fields, soc: Soc) -> Sight:
        """One event. Raises ValueError for an envelope that none of our doors wrote."""
        time, identity = moment(soc.time), int(soc.id[:16], 16)
        seen = []
        for watched, observe in self._seers_of(soc.logsources):
            observation = observe(fields, time, identity)
            if observation is not None:
                seen.append((watched.profile.name, observation))
        return Sight(soc.source, time, seen)

    def _seers_of(self, logsources: tuple[str, ...]) -> Seers:
        found = self._seers.get(logsources)
        if found is None:
            if len(self._seers) > MOST:
                self._seers.clear()
            parsed = [LogSource.parse(each) for each in logsources]
            fitting = [each for each in self._watched if each.sees(parsed)]
            found = tuple((each, observer(each.profile, each.name_of)) for each in fitting)
            self._seers[logsources] = found
        return found

    def _whole(self, line: bytes) -> tuple[Fields, Soc]:
        """Decode every value; the next line that ends like this one need not be."""
        fields, soc = event.decode(line)
        named = _named(line)
        if named not in self._decoders:
            if len(self._decoders) > MOST:
                self._decoders.clear()
            watched = [each.profile for each, _ in self._seers_of(soc.logsources)]
            names = frozenset(name for profile in watched for name in fields_of(profile))
            self._decoders[named] = soc.logsources, decoder(names, Required[Soc])
        return fields, msgspec.convert(legible(msgspec.to_builtins(soc)), Soc)


def _by_rules_names(fields: Fields, soc: Soc) -> Fields:
    """An event of another schema with Sigma's names beside its own."""
    shown = view(soc.schema) if soc.schema else None
    return fields if shown is None else shown(fields, map(LogSource.parse, soc.logsources))


def _named(line: bytes) -> bytes:
    """How a line seems to name its log sources; nothing where it names none."""
    at = line.rfind(LOGSOURCES)
    return line[at : line.find(b"]", at)] if at >= 0 else b""


def _decoded(line: bytes, expected: tuple[str, ...], decode: Decode) -> tuple[Fields, Soc] | None:
    """None for what has to be decoded whole: the guess was wrong, or the line is odd."""
    fields = decode(line)
    if fields is None:
        return None
    soc = fields.pop(ENVELOPE)
    guessed = soc.logsources == expected and soc.v in event.READABLE
    return (fields, soc) if guessed and not soc.schema else None


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
