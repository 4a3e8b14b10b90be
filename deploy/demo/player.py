"""Plays the samples through the real doors: the past days in seconds, then on in real time."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from threading import Event
from typing import Protocol

from collectors.bus.contract import Overloaded
from deploy.demo.senders import Door, Sender, sender
from deploy.demo.timeline import LAP_SECONDS, LAPS_A_DAY, Sample, load

HISTORY_SECONDS = 30.0
"""How long everything before the first start takes to play."""
HISTORY_SLICE = 480.0
EARLIER_DAYS = 3
"""Ordinary days of the Windows computers before that, so that something is usual there."""
EARLIER_SLICE = 3600.0
LIVE_SLICE = 5.0
"""Seconds of the samples' time that go out as one batch for each source."""
FIRST_WAIT, LONGEST_WAIT = 0.2, 2.0
"""Seconds between tries while a door is not ready."""


class Position(Protocol):
    """Where the player's place is kept; see deploy.demo.journal."""

    @property
    def done(self) -> int:
        """Steps that the doors have taken."""

    def advance(self, done: int) -> None:
        """Remember durably that this many are done."""


@dataclass(frozen=True)
class Step:
    """What goes to one door at once."""

    number: int
    """Counts from 0 over history and all laps; position and Idempotency-Key are made of it."""
    due: float
    """Seconds after the first start from which it may be sent; history has no due time."""
    samples: tuple[Sample, ...]
    lap: int = 0


@dataclass(frozen=True)
class Progress:
    """Told after each step."""

    sent: int
    """Lines since this call began."""
    history_left: int
    """Steps until the player goes on in real time."""
    waiting: str = ""
    """Why it stands still, while a door is not ready."""


def play(
    doors: Sequence[Door],
    *,
    start: datetime,
    position: Position,
    stop: Event,
    progress: Callable[[Progress], None] = lambda _: None,
    now: Callable[[], float] = time.time,
    live: bool = True,
) -> None:
    """Send everything that is not yet done, until `stop` is set (or, without `live`, the end).

    Each step is remembered after a door took it, and is the same whenever it is sent, so a crash
    repeats one step at most and the doors know it again. Raises Malformed when a door says that it
    will never take a step, KeyError when a source of the samples has no door.
    """
    player = _Player(doors, start, position, stop, progress, now)
    try:
        player.play_history()
        if live:
            player.play_live()
    finally:
        player.close()


def history() -> list[Step]:
    """The steps before the first start, in the order of their times: earlier days of Windows, then
    the day with its attacks."""
    ordinary = [sample for sample in load("ordinary") if sample.source == "windows"]
    steps = [
        replace(step, lap=-day * LAPS_A_DAY)
        for day in range(EARLIER_DAYS, 0, -1)
        for step in _steps(ordinary, EARLIER_SLICE)
    ]
    steps += _steps(load("ordinary", "attacks"), HISTORY_SLICE)
    return [replace(step, number=number) for number, step in enumerate(steps)]


def lap_steps(first: int, lap: int, samples: Sequence[Sample]) -> list[Step]:
    """The steps of one lap of the live part; `first` is the number of the first lap's first."""
    steps = list(_steps(samples, LIVE_SLICE))
    begins = first + lap * len(steps)
    return [
        Step(begins + step.number, step.due + lap * LAP_SECONDS, step.samples, lap)
        for step in steps
    ]


def _steps(samples: Sequence[Sample], width: float) -> Iterator[Step]:
    """Cut into slices of time, and each slice by source."""
    number = 0
    for index, each in groupby(samples, key=lambda sample: sample.at // width):
        by_source = sorted(each, key=_place)
        for _, group in groupby(by_source, key=_place):
            yield Step(number, (index + 1) * width, tuple(sorted(group)))
            number += 1


def _place(sample: Sample) -> tuple[str, str]:
    return sample.tenant, sample.source


class _Player:
    def __init__(
        self,
        doors: Sequence[Door],
        start: datetime,
        position: Position,
        stop: Event,
        progress: Callable[[Progress], None],
        now: Callable[[], float],
    ) -> None:
        self._senders: dict[tuple[str, str], Sender] = {
            (door.tenant, door.source): sender(door) for door in doors
        }
        self._start = start
        self._position = position
        self._stop = stop
        self._progress = progress
        self._now = now
        self._history = history()
        self._sent = 0

    def play_history(self) -> None:
        """Evenly over HISTORY_SECONDS, from where it stopped last time."""
        pause = HISTORY_SECONDS / len(self._history)
        for step in self._history[self._position.done :]:
            if self._stop.is_set():
                return
            begun = self._now()
            self._take(step)
            self._stop.wait(max(0.0, pause - (self._now() - begun)))

    def play_live(self) -> None:
        """Lap after lap in real time; what was due in a lap that is over is not made up for."""
        samples = load("live")
        first = len(self._history)
        length = len(lap_steps(first, 0, samples))
        lap = max(0, (self._position.done - first) // length)
        while not self._stop.is_set():
            lap = max(lap, int(self._elapsed() // LAP_SECONDS))
            for step in lap_steps(first, lap, samples):
                if step.number >= self._position.done and self._wait_until(step.due):
                    self._take(step)
            lap += 1

    def close(self) -> None:
        """Let go of all connections."""
        for each in self._senders.values():
            each.close()

    def _elapsed(self) -> float:
        return self._now() - self._start.timestamp()

    def _wait_until(self, due: float) -> bool:
        """Whether the time has come before `stop`."""
        return not self._stop.wait(max(0.0, due - self._elapsed()))

    def _take(self, step: Step) -> None:
        """Bring a step to its door, however long that takes, and remember it."""
        lines = [sample.render(self._start, step.lap) for sample in step.samples]
        to = self._senders[_place(step.samples[0])]
        wait = FIRST_WAIT
        while not self._stop.is_set():
            try:
                to.send(lines, f"demo-{self._start:%Y%m%dT%H%M%S.%f}-{step.number}")
            except Overloaded as error:
                self._tell(str(error))
                self._stop.wait(wait)
                wait = min(LONGEST_WAIT, wait * 2)
            else:
                self._sent += len(lines)
                self._position.advance(step.number + 1)
                self._tell()
                return

    def _tell(self, waiting: str = "") -> None:
        left = max(0, len(self._history) - self._position.done)
        self._progress(Progress(self._sent, left, waiting))
