"""What people said of unusual behaviour, in band: to the tenant as verdicts, to all as lessons."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

import msgspec

from detection.anomaly.ranking import NOTHING_LEARNED, Group, Judged, Ranking, digest, learn
from detection.anomaly.views import VIEWS, View
from detection.anomaly.watch import Judged as JudgedWindow

Line = TypeVar("Line")

VERDICTS: Final = "verdicts"
LESSONS: Final = "lessons"
"""Kinds of records on `behaviour.<tenant>`."""
MOST: Final = 5_000
"""Lessons that are kept, the latest."""
ATTACK: Final = "true_positive"
HARMLESS: Final = frozenset({"benign_true_positive", "false_positive"})


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict on an alert of ours."""

    alert: str
    verdict: str
    analyst: str
    closed: str


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict without anybody's name: rates, a rule's name, and digests to remember by."""

    id: str
    """The same verdict is the same lesson."""
    judged: Judged


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What a verdict on an alert will be about."""

    profile: str
    entity: str
    view: View
    first: float
    rates: tuple[float, ...]


class Lessons(msgspec.Struct):
    """All lessons that have reached a tenant, its own among them."""

    known: dict[str, Judged] = {}
    unseen: list[Group] = []
    """The tenant's own alerts that nobody judged; they weigh little, and teach it alone."""

    def add(self, lesson: Lesson) -> None:
        """Remember one; the oldest beyond MOST go."""
        self.known[lesson.id] = lesson.judged
        while len(self.known) > MOST:
            del self.known[next(iter(self.known))]

    def ranking(self) -> Ranking:
        """What they teach, in the order in which they came."""
        return learn(list(self.known.values()), self.unseen) if self.known else NOTHING_LEARNED


class Names:
    """Makes digests of names, under the installation's key."""

    def __init__(self, key: bytes, tenant: str) -> None:
        self._key = key
        self._tenant = tenant

    def group(self, told: Told) -> Group:
        """An alert as it may be learned from."""
        return Group(
            tenant=digest(self._key, self._tenant),
            entity=digest(self._key, self._tenant, told.entity),
            rule=f"{told.view} {told.profile}",
            rates=told.rates,
        )

    def alert(self, profile: str, entity: str, start: float) -> str:
        """The id of an alert, 32 hex digits that say nothing of the entity."""
        text = "\x00".join((self._tenant, profile, entity, str(start)))
        value = text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(
            value, digest_size=16, key=self._key[:64], person=b"alert"
        ).hexdigest()

    def lesson(self, told: Told, said: Said) -> Lesson | None:
        """What a verdict teaches, None where it leaves it open."""
        if said.verdict != ATTACK and said.verdict not in HARMLESS:
            return None
        judged = Judged(
            group=self.group(told),
            attack=said.verdict == ATTACK,
            analyst=digest(self._key, said.analyst),
        )
        return Lesson(id=digest(self._key, self._tenant, said.alert, said.closed), judged=judged)


def told_of(judged: JudgedWindow, profile: str, view: View) -> Told:
    """What is kept of a window that an alert is opened with; decades of surprise a view."""
    done = judged.behaviour
    rates = (judged.score, *(judged.raw.get(each, 0.0) for each in VIEWS))
    return Told(profile, done.entity, view, done.start, tuple(round(each, 4) for each in rates))


def verdicts(value: bytes) -> Iterator[Said]:
    """The verdicts of a record. Raises ValueError for anything else."""
    return _lines(value, _decode_said)


def lessons(value: bytes) -> Iterator[Lesson]:
    """The lessons of a record. Raises ValueError for anything else."""
    return _lines(value, _decode_lesson)


encode = msgspec.json.Encoder().encode
_decode_said = msgspec.json.Decoder(Said).decode
_decode_lesson = msgspec.json.Decoder(Lesson).decode


def _lines(value: bytes, decode: Callable[[bytes], Line]) -> Iterator[Line]:
    for line in value.split(b"\n"):
        try:
            yield decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"expected a verdict or a lesson: {error}") from error
