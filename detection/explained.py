"""Explanations as text for rule authors and as values for programs."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from collectors.logsource import LogSource
from detection.sigma.explain import Explanation, Part
from detection.sigma.parts import How
from detection.sigma.written import shown_value

MAX_TEXT = 120
"""Characters of an event's value on a line."""
MAX_ALIKE = 6
"""Values of one line of a rule that are shown where they all failed alike."""
GREEN, RED, BOLD, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[1m", "\x1b[0m"


class Ink(NamedTuple):
    """How to write; in colour on a terminal only."""

    colour: bool

    def mark(self, held: bool) -> str:
        """A tick or a cross; words beside it say the same."""
        return self._in(GREEN if held else RED, "✓" if held else "✗")

    def bold(self, text: str) -> str:
        """What to look at first."""
        return self._in(BOLD, text)

    def _in(self, code: str, text: str) -> str:
        return f"{code}{text}{PLAIN}" if self.colour else text


def value_of(explanation: Explanation, logsources: Sequence[LogSource]) -> dict[str, Any]:
    """For programs: rule, verdict, the first failing part, and the whole tree."""
    rule, failing = explanation.rule, explanation.failing
    return {
        "rule": rule.id,
        "title": rule.title,
        "level": rule.level,
        "path": rule.path,
        "line": rule.line,
        "matches": explanation.matches,
        "logsource": {
            "asked": str(explanation.asked),
            "event": [str(each) for each in logsources],
            "served": explanation.served,
        },
        "failed_first": [part.says for part in failing],
        "missing": explanation.missing,
        "reasons": msgspec.to_builtins(explanation.reasons),
        "note": explanation.note,
        "parts": msgspec.to_builtins(explanation.root),
    }


def lines_of(explanation: Explanation, logsources: Sequence[LogSource], ink: Ink) -> Iterator[str]:
    """For people: the verdict, what failed first, then every part below the one it belongs to."""
    rule = explanation.rule
    verdict = "matches" if explanation.matches else "does not match"
    mark = ink.mark(explanation.matches)
    yield f"{mark} {ink.bold(f'{rule.title} ({rule.level})')}: {verdict}"
    yield f"  {rule.path}:{rule.line}, id {rule.id}"
    if not explanation.served:
        have = ", ".join(map(str, logsources)) or "none"
        yield f"  failed first: the log source; asked for {explanation.asked}, the event has {have}"
    elif explanation.failing:
        way = [part.says for part in explanation.failing[1:]] or [explanation.failing[0].says]
        yield f"  failed first: {' › '.join(way)}"
    if explanation.note:
        yield f"  {explanation.note}"
    served = ink.mark(explanation.served)
    yield f"  {served} log source {explanation.asked}: {_word(explanation.served)}"
    if explanation.root is not None:
        first = explanation.failing[-1] if explanation.served and explanation.failing else None
        yield from _part(explanation.root, 1, first, ink)


def _part(part: Part, depth: int, first: Part | None, ink: Ink) -> Iterator[str]:
    here = ink.bold("  ◄ failed first") if part is first else ""
    yield f"{'  ' * depth}{ink.mark(part.held)} {part.says}: {_told(part)}{here}"
    shown = part.parts
    if part.listed:  # the event's value stands above; what holds comes first, the rest is counted
        shown = tuple(each for each in part.parts if each.held)
        shown += tuple(each for each in part.parts if not each.held)[:MAX_ALIKE]
    for each in shown:
        if part.listed and part.field is not None:
            yield f"{'  ' * (depth + 1)}{ink.mark(each.held)} {each.says}"
        else:
            yield from _part(each, depth + 1, first, ink)
    if len(shown) < len(part.parts):
        yield f"{'  ' * (depth + 1)}  and {len(part.parts) - len(shown):,} more that do not hold"


def _told(part: Part) -> str:
    word = _word(part.held)
    if part.parts and not part.listed:
        return word
    if part.listed:
        holding = sum(each.held for each in part.parts)
        word = f"{word}, {holding:,} of {len(part.parts):,} values"
        if part.how is How.ALL:
            word += ", all needed"
    if part.field is None:
        places = [text for reason in part.reasons for text in reason.values]
        return f"{word}; found in {_listed(places)}" if places else word
    have = f"has {_listed(part.found)}" if part.found else f"has no {part.field}"
    return f"{word}; the event {have}"


def _word(held: bool) -> str:
    return "holds" if held else "does not hold"


def _listed(found: Sequence[str]) -> str:
    texts = [
        shown_value(text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…") for text in found
    ]
    more = f" and {len(texts) - 3} more" if len(texts) > 3 else ""
    return ", ".join(texts[:3]) + more
