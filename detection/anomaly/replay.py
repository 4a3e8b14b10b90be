"""Files of events through exactly what runs live, in the order of event time: `anomaly replay`."""

import heapq
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import chain, islice, pairwise
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, Final, Literal, TextIO

import msgspec

from collectors.bus.contract import Malformed
from collectors.codec import dumps
from detection.anomaly.prior import FEWEST, Habits, Prior, decode_habits, lend
from detection.anomaly.profile import Observation, Profile, observer, schema
from detection.anomaly.reading import columns, read
from detection.anomaly.watch import Judged, Watch
from detection.anomaly.window import Window, Windows

CHUNK: Final = 250_000
"""Observations that are sorted in memory; beyond, sorted runs wait on disk."""
FLUSHED: Final = 2_000
YOUNG: Final = 1_000_000
"""New objects before Python looks for cycles: chunks and open windows hold many, all in use."""

by_time = attrgetter("time")


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person said of a window: a line of the file of verdicts."""

    entity: str
    start: str | float
    """As the alert has it."""
    verdict: Literal["attack", "harmless"]


class Counts(msgspec.Struct):
    """What became of the events and windows."""

    events: int = 0
    unusable: int = 0
    """Events without a time where windows need one, or that do not name the entity."""
    windows: int = 0
    alerts: int = 0


class Replay:
    """One tenant's files under one profile; memory is bounded by CHUNK and the open windows."""

    def __init__(
        self,
        tenant: str,
        profile: Profile,
        *,
        budget: float,
        names: Mapping[str, str] | None = None,
        verdicts: Iterable[Verdict] = (),
        prior: Prior | None = None,
    ) -> None:
        """`prior` is what others lend to the first day."""
        self.profile = profile
        self.counts = Counts()
        self._names = names or {}
        self._observe = observer(profile, columns(profile, self._names))
        self.watch = Watch(tenant, profile, budget=budget, verdicts=_said(verdicts))
        if prior is not None:
            self.watch.borrow(prior)
        self._numbers: Counter[str] = Counter()
        self._numbered = False

    def run(self, paths: Sequence[Path]) -> Iterator[Judged]:
        """Every closed window, judged. Raises Malformed or OSError for a file of no use."""
        windows = Windows(self.profile)
        with ExitStack() as stack:
            for together in _closing(windows, self._ordered(paths, stack), self.profile):
                for judged in self.watch.closed(together):
                    self.counts.windows += 1
                    self.counts.alerts += judged.alert
                    yield judged

    def habits(self) -> Habits:
        """What the files teach that could be lent to others. Raises Malformed for too few."""
        self.watch.refit()
        model = self.watch.kept.model
        found = self.watch.habits(model) if model is not None else None
        if found is None:
            raise Malformed("expected a day and a half of events and 50 windows to have habits")
        return found

    def line(self, judged: Judged) -> bytes:
        """A judged window as `replay` prints it."""
        done = judged.behaviour
        end = done.end if self.profile.timed or not self._numbered else done.end + 1
        by_margin = sorted(judged.p_views, key=lambda view: judged.p_views[view])
        return dumps(
            {
                "tenant": self.watch.tenant,
                "entity": done.entity,
                "start": self._moment(done.start),
                "end": self._moment(end),
                "views": [
                    {
                        "view": view,
                        "score": round(judged.raw[view], 6),
                        "p": judged.p_views[view],
                        "past": view in judged.views,
                    }
                    for view in by_margin
                ],
                "score": round(judged.score, 6),
                "p": judged.p,
                "reasons": [msgspec.to_builtins(each) for each in judged.reasons],
            }
        )

    def _moment(self, time: float) -> str | int:
        """A time, or where events have none, the number of the event among its entity's."""
        if self._numbered:
            return int(time)
        text = datetime.fromtimestamp(time, UTC).isoformat()
        return text.removesuffix("+00:00") + "Z"

    def _ordered(self, paths: Sequence[Path], stack: ExitStack) -> Iterator[Observation]:
        """All observations by time; without times by number, as the entities worked abreast."""
        runs: list[Iterator[Observation]] = []
        spans: list[tuple[float, float]] = []
        observations = chain.from_iterable(map(self._observations, paths))
        while chunk := sorted(islice(observations, CHUNK), key=by_time):
            spans.append((chunk[0].time, chunk[-1].time))
            runs.append(iter(chunk) if len(chunk) < CHUNK else _spilled(chunk, stack))
            del chunk  # the next has its place
        if all(before[1] <= after[0] for before, after in pairwise(spans)):
            return chain.from_iterable(runs)
        return heapq.merge(*runs, key=by_time)

    def _observations(self, path: Path) -> Iterator[Observation]:
        for event in read(path, self.profile, self._names):
            time = event.time
            self.counts.events += 1
            if time is None and self.profile.timed:
                self.counts.unusable += 1
                continue
            observation = self._observe(event.row, time or 0.0, event.id)
            if observation is None:
                self.counts.unusable += 1
            elif time is None:
                self._numbered = True
                number = self._numbers[observation.entity]
                self._numbers[observation.entity] += 1
                yield msgspec.structs.replace(observation, time=float(number))
            else:
                yield observation


def _closing(
    windows: Windows, observations: Iterable[Observation], profile: Profile
) -> Iterator[list[Window]]:
    """Windows that end together, as soon as nothing can be added to them any more."""
    span, latest = profile.window, float("-inf")
    for observation in observations:
        if span is not None and observation.time >= latest:
            yield from windows.close(observation.time // span * span)
            latest = (observation.time // span + 1) * span
        filled = windows.add(observation)
        if filled is not None:
            yield [filled]
    yield from windows.close(float("inf"))


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Observation]).decode


def _spilled(run: list[Observation], stack: ExitStack) -> Iterator[Observation]:
    """Put a sorted run on disk; it is read back in blocks."""
    file = stack.enter_context(tempfile.TemporaryFile(prefix="citysoc-"))  # noqa: SIM115
    blocks = (_encode(run[first : first + FLUSHED]) for first in range(0, len(run), FLUSHED))
    sizes = [file.write(block) for block in blocks]
    file.seek(0)
    return _blocks(file, sizes)


def _blocks(file: BinaryIO, sizes: Sequence[int]) -> Iterator[Observation]:
    for size in sizes:
        yield from _decode(file.read(size))


def _said(verdicts: Iterable[Verdict]) -> dict[tuple[str, float], bool]:
    return {(each.entity, _seconds(each.start)): each.verdict == "attack" for each in verdicts}


def _seconds(start: str | float) -> float:
    if isinstance(start, str):
        return datetime.fromisoformat(start).timestamp()
    return float(start)


def read_verdicts(path: Path) -> list[Verdict]:
    """Lines of `{"entity": …, "start": …, "verdict": "attack" | "harmless"}`.

    Raises Malformed, which names the line, for anything else, OSError where it can't be read.
    """
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            verdict = msgspec.json.decode(line, type=Verdict)
            _seconds(verdict.start)
        except (msgspec.DecodeError, ValueError) as error:
            raise Malformed(f"{path}:{number}: expected a verdict: {error}") from error
        found.append(verdict)
    return found


def read_prior(paths: Sequence[Path], profile: Profile) -> Prior:
    """What others lend, from files of their habits; replay writes such.

    Raises Malformed, which names the file, for anything else, OSError where it can't be read.
    """
    found = []
    for path in paths:
        try:
            habits = decode_habits(path.read_bytes())
        except ValueError as error:
            raise Malformed(f"{path}: {error}") from error
        if habits.schema != schema(profile):
            raise Malformed(f"{path}: habits of other facets than {profile.name} has")
        if habits in found:
            raise Malformed(f"{path}: the same habits twice; expected those of different ones")
        found.append(habits)
    prior = lend(found)
    if prior is None:
        raise Malformed(f"expected the habits of at least {FEWEST} others, got {len(found)}")
    return prior


def replay(
    run: Replay, paths: Sequence[Path], out: BinaryIO, scores: BinaryIO | None, err: TextIO
) -> None:
    """Print each alert, and with `scores` write every window; a word on what was left out."""
    for judged in run.run(paths):
        if judged.alert or scores is not None:
            line = run.line(judged) + b"\n"
            if judged.alert:
                out.write(line)
            if scores is not None:
                scores.write(line)
    out.flush()
    if run.counts.unusable:
        counts = run.counts
        print(
            f"citysoc anomaly replay: {counts.unusable:,} of {counts.events:,} events name no "
            f"{run.profile.entity!r}, show no facet or have no time",
            file=err,
        )
