"""The cases beside a correlation: stories, events with their times, that it must find or not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sigma.correlations import SigmaCorrelationTimespan
from sigma.exceptions import SigmaError

from rules.cases import read_beside
from rules.documents import Fault

MAX_TIMES = 10_000
NUMBER = "{n}"
"""Stands, in the texts of a step told several times, for which time it is."""


@dataclass(frozen=True)
class Moment:
    """One step of a story, which ends with its last."""

    at: int
    """Seconds from the story's beginning."""
    event: Mapping[str, Any] | None
    """None where time passes and nothing happens."""


@dataclass(frozen=True)
class Story:
    """Events in their order and whether the correlation must come true."""

    matches: bool
    index: int
    """From 0 among the stories of its kind."""
    moments: tuple[Moment, ...]
    why: str = ""

    def __str__(self) -> str:
        kind = "match" if self.matches else "no_match"
        return f"{kind}[{self.index}]" + (f" ({self.why})" if self.why else "")


def read_stories(rule: str | Path) -> tuple[list[Story], list[Fault]]:
    """The stories beside a correlation, and what is wrong with them. A missing file is a fault."""
    return read_beside(rule, "story", _story)


def _story(entry: Any, index: int, matches: bool) -> Story:
    moments = tuple(sorted(_moments(entry), key=lambda each: each.at))
    return Story(matches, index, moments, str(entry.get("why", "")))


def _moments(entry: object) -> Iterator[Moment]:
    """Raises ValueError, with why, for what is no story."""
    if not isinstance(entry, dict) or not entry.keys() <= {"events", "why"}:
        raise ValueError("expected a story: `events:`, and `why:` if you like")
    steps = entry.get("events")
    if not isinstance(steps, list) or not steps:
        raise ValueError("`events:` should be a list of at least one step")
    for step in steps:
        yield from _told(step)


def _told(step: object) -> Iterator[Moment]:
    """A step is the time `at` and an event, or nothing; `times` and `every` tell it again."""
    known = {"at", "event", "times", "every"}
    if not isinstance(step, dict) or not step.keys() <= known:
        raise ValueError(f"a step has `at` and `event`, maybe `times` and `every`; got {step!r}")
    if step.keys() == {"at"}:
        yield Moment(_seconds(step["at"]), None)
        return
    event, times = step.get("event"), step.get("times", 1)
    if not isinstance(event, dict) or not event:
        raise ValueError("a step's `event:` should be a map of fields")
    if type(times) is not int or not 1 <= times <= MAX_TIMES:
        raise ValueError(f"`times:` should be a number from 1 to {MAX_TIMES}, got {times!r}")
    at, every = _seconds(step.get("at", 0)), _seconds(step.get("every", 0))
    for number in range(times):
        yield Moment(at + number * every, _numbered(event, number) if times > 1 else event)


def _seconds(value: object) -> int:
    """`90`, `90s`, `15m`, `3h`, `2d`."""
    if value == 0:
        return 0
    text = f"{value}s" if type(value) is int else str(value)
    try:
        return SigmaCorrelationTimespan(text).seconds
    except SigmaError as error:
        raise ValueError(f"expected a time such as 90s, 15m or 3h, got {value!r}") from error


def _numbered(value: Any, number: int) -> Any:
    if isinstance(value, str):
        return value.replace(NUMBER, str(number))
    if isinstance(value, dict):
        return {name: _numbered(each, number) for name, each in value.items()}
    return [_numbered(each, number) for each in value] if isinstance(value, list) else value
