"""Python's reading of a regular expression, said again as Lucene can say it of folded text.

Lucene's expressions cover a whole value and know no anchors, and the index knows no upper case. So
what is made here is never narrower than the expression; it is wider where case decides, and at
`\\b`.
"""

import re
from collections.abc import Iterable, Sequence
from re import _constants as known  # type: ignore[attr-defined]  # no public parser says it
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

LAST_ASCII = 127
ASCII = [chr(code) for code in range(LAST_ASCII + 1) if not chr(code).isupper()]
SOME_OTHER = "\u2603"
CLASSES = {
    known.CATEGORY_DIGIT: r"\d",
    known.CATEGORY_NOT_DIGIT: r"\D",
    known.CATEGORY_SPACE: r"\t\n\f\r ",
    known.CATEGORY_NOT_SPACE: r"\S",
    known.CATEGORY_WORD: r"\w",
    known.CATEGORY_NOT_WORD: r"\W",
}
STARTS = {known.AT_BEGINNING, known.AT_BEGINNING_STRING}
ENDS = {known.AT_END, known.AT_END_STRING}
BOUNDARIES = {known.AT_BOUNDARY, known.AT_NON_BOUNDARY}
Items = Sequence[tuple[Any, Any]]


class Inexpressible(Exception):
    """Lucene has no way to say it."""


def lucene(pattern: str, flags: int = 0) -> str:
    """The expression over folded text, to stand between slashes."""
    parsed = parser.parse(pattern, flags | re.ASCII)
    whole = _Translation(dot_all=bool((flags | parsed.state.flags) & re.DOTALL))
    return whole.sequence(list(parsed), opens=True, closes=True)


def is_case_sensitive(pattern: str, flags: int = 0) -> bool:
    """Whether letters of one case alone are asked for anywhere."""
    parsed = parser.parse(pattern, flags | re.ASCII)
    if (flags | parsed.state.flags) & re.IGNORECASE:
        return False
    letters = re.sub(r"\\[A-Za-z]|\(\?[a-z]+\)", "", pattern)
    return re.search("[A-Za-z]", letters) is not None


class _Translation:
    def __init__(self, *, dot_all: bool) -> None:
        self._any = "." if dot_all else "[^\n]"

    def sequence(self, items: Items, *, opens: bool, closes: bool) -> str:
        """Items one after another; `opens` and `closes`: nothing stands before, or after, them."""
        items = list(items)
        if not items:
            return "()" if not (opens or closes) else ".*"
        made = []
        for at, item in enumerate(items):
            first, last = opens and at == 0, closes and at == len(items) - 1
            made.append(self._placed(item, first=first, last=last))
        return "".join(made)

    def _placed(self, item: tuple[Any, Any], *, first: bool, last: bool) -> str:
        kind, value = item
        if kind is known.AT:
            return self._anchor(value, first=first, last=last)
        if kind is known.BRANCH:
            return self._union(value[1], first=first, last=last)
        if kind is known.SUBPATTERN:
            return f"({self.sequence(value[3], opens=first, closes=last)})"
        return (".*" if first else "") + self._item(kind, value) + (".*" if last else "")

    def _anchor(self, kind: Any, *, first: bool, last: bool) -> str:
        if (kind in STARTS and first) or (kind in ENDS and last):
            return "()"
        if kind in BOUNDARIES:
            return ".*" if first or last else "()"
        raise Inexpressible(f"an anchor ({kind}) in the middle")

    def _union(self, branches: Iterable[Items], *, first: bool, last: bool) -> str:
        each = [self.sequence(branch, opens=first, closes=last) for branch in branches]
        return f"({'|'.join(each)})"

    def _item(self, kind: Any, value: Any) -> str:
        if kind is known.LITERAL:
            return _literal(chr(value).lower())
        if kind is known.NOT_LITERAL:
            return _set([(known.NEGATE, None), (known.LITERAL, value)])
        if kind is known.ANY:
            return self._any
        if kind is known.IN:
            return _set(value)
        if kind in (known.MAX_REPEAT, known.MIN_REPEAT):
            least, most, inner = value
            bound = "" if most is known.MAXREPEAT else str(most)
            return f"({self.sequence(inner, opens=False, closes=False)}){{{least},{bound}}}"
        raise Inexpressible(f"{kind}")


def _literal(text: str) -> str:
    return "".join(
        each if each.isalnum() or each == "\n" else f"[{_in_set(each)}]" for each in text
    )


def _in_set(char: str) -> str:
    return f"\\{char}" if char in '\\]^-[/"' else char


def _set(items: Items) -> str:
    """A set of characters, of which a folded text may have the lower-case twin."""
    negated = items[0][0] is known.NEGATE
    python = re.compile(f"[{'^' if negated else ''}{''.join(map(_python, items))}]", re.ASCII)
    wanted = {c for c in ASCII if python.match(c) or python.match(c.upper())}
    if python.match(SOME_OTHER):
        return f"[^{''.join(_in_set(c) for c in ASCII if c not in wanted)}]"
    beyond = {chr(v).lower() for kind, v in items if kind is known.LITERAL and v > LAST_ASCII}
    return f"[{''.join(map(_in_set, sorted(wanted | beyond)))}]"


def _python(item: tuple[Any, Any]) -> str:
    kind, value = item
    if kind is known.NEGATE:
        return ""
    if kind is known.LITERAL:
        return re.escape(chr(value))
    if kind is known.RANGE:
        return f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
    if kind is known.CATEGORY:
        return CLASSES[value]
    raise Inexpressible(f"{kind} in a set")


def widest_repeat(pattern: str) -> int:
    """The most that anything is to be repeated, where there is a bound other than 1."""
    pending = list(parser.parse(pattern, re.ASCII))
    widest = 0
    while pending:
        kind, value = pending.pop()
        if kind is known.BRANCH:
            pending += [item for branch in value[1] for item in branch]
        elif kind is known.SUBPATTERN:
            pending += value[3]
        elif kind in (known.MAX_REPEAT, known.MIN_REPEAT):
            least, most, inner = value
            widest = max(widest, least if most is known.MAXREPEAT else most)
            pending += inner
    return widest
