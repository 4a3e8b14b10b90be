"""Reading a filter as a person types it: a recursive descent over the text, with bounds."""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, cast

from collectors.event import timestamp
from tenants.store.terms import (
    BARE_FIELD,
    BARE_VALUE,
    SHORTCUTS,
    And,
    Compare,
    Equal,
    Exists,
    Like,
    Node,
    Not,
    Operator,
    Or,
    WordLike,
    Words,
    all_of,
    any_of,
)
from tenants.store.values import number, words
from tenants.store.wildcard import Wild, join, split

MAX_LENGTH = 10_000
MAX_TERMS = 500
MAX_DEPTH = 30

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_SPACE = re.compile(r"\s*")
_KEYWORD = re.compile(r"(and|or|not)(?=[\s()\"]|$)", re.IGNORECASE)
_FIELD = re.compile(
    rf"({_QUOTED}|{BARE_FIELD})(?:(:[<>]=?|:(?!//))|\s*(<=|>=|!=|=|<|>)\s*|\s+(in)\s*\()",
    re.DOTALL | re.IGNORECASE,
)
_VALUE = re.compile(rf"{_QUOTED}|{BARE_VALUE}", re.DOTALL)
_AGO = re.compile(r"(\d{1,6})(m|h|d)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class FilterError(ValueError):
    """The text is no filter; says where, what was expected and what stands there."""


class Parsed(NamedTuple):
    """What a text says: an expression, where it has one, and the bounds of time."""

    expression: Node | None
    since: str | None
    until: str | None


def parse_text(text: str, now: datetime | None) -> Parsed:
    """Read a filter's text; `now` is what `24h` counts from. Raises FilterError."""
    if len(text) > MAX_LENGTH:
        raise FilterError(f"a filter has at most {MAX_LENGTH:,} characters, this one {len(text):,}")
    parser = _Parser(text, now)
    expression = parser.whole() if text.strip() else None
    since = max((time for edge, time in parser.bounds if edge == "since"), default=None)
    until = min((time for edge, time in parser.bounds if edge == "until"), default=None)
    return Parsed(expression, since, until)


def parse_time(text: str, now: datetime | None) -> str:
    """A time as stored: from ISO 8601 (UTC unless it says otherwise) or `24h` before now."""
    ago = _AGO.fullmatch(text)
    try:
        if ago and now:
            moment = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            moment = datetime.fromisoformat(text)
        return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError) as error:
        expected = "a time such as 2026-11-24, 2026-11-24T13:47 or 24h"
        raise FilterError(f"expected {expected}, found {text[:50]!r}") from error


class _Parser:
    """Walks over the text once; `at` is where it stands."""

    def __init__(self, text: str, now: datetime | None) -> None:
        self.text = text
        self.now = now
        self.at = 0
        self.terms = 0
        self.bounds: list[tuple[str, str]] = []

    def whole(self) -> Node | None:
        node = self.either(0)
        if self.at < len(self.text):
            raise self.wrong("the end, and, or, or another term")
        return node

    def either(self, depth: int) -> Node | None:
        parts = [self.both(depth)]
        while self.keyword() == "or":
            self.take(_KEYWORD)
            parts.append(self.both(depth))
        if len(parts) > 1 and depth == 0 and self.bounds:
            raise FilterError("since: and until: hold for the whole filter: put the or in brackets")
        found = [part for part in parts if part is not None]
        return any_of(_flat(found, Or)) if found else None

    def both(self, depth: int) -> Node | None:
        parts = [self.negated(depth)]
        while True:
            if self.keyword() == "and":
                self.take(_KEYWORD)
            elif self.keyword() == "or" or self.ahead() in ("", ")"):
                break
            parts.append(self.negated(depth))
        found = [part for part in parts if part is not None]
        return all_of(_flat(found, And)) if found else None

    def negated(self, depth: int) -> Node | None:
        if depth > MAX_DEPTH:
            raise FilterError(f"at {self.at}: more than {MAX_DEPTH} levels of not and brackets")
        if self.keyword() == "not":
            self.take(_KEYWORD)
            part = self.negated(depth + 1)
            return Not(part) if part is not None else None
        if self.ahead() == "(":
            self.skip("(")
            node = self.either(depth + 1)
            self.skip(")")
            return node
        return self.term(depth)

    def term(self, depth: int) -> Node | None:
        self.count_term()
        start = self.at
        if self.keyword():
            raise self.wrong("a term (a word that is and, or, not stands in quotes)")
        head = _FIELD.match(self.text, self.at)
        if head is None:
            return self.free()
        self.at = head.end()
        name, colon, operator, within = head.groups()
        if name.lower() in ("since", "until") and colon == ":":
            self.bound(name.lower(), start, depth)
            return None
        field = self.field(name)
        if within:
            return self.one_of(field)
        sign = (colon or operator).removeprefix(":")
        if sign in ("", "="):
            return self.value(field)
        return Not(self.value(field)) if sign == "!=" else self.compare(field, sign)

    def field(self, name: str) -> str:
        if not name.startswith('"'):
            return SHORTCUTS.get(name, name)
        parts = split(_unquoted(name))
        if len(parts) != 1 or isinstance(parts[0], Wild):
            raise FilterError(f"at {self.at}: expected a field's name without wildcards: {name}")
        return str(parts[0])

    def one_of(self, field: str) -> Node:
        values = [self.value(field)]
        while self.ahead() == ",":
            self.skip(",")
            self.count_term()
            values.append(self.value(field))
        self.skip(")")
        return any_of(values)

    def value(self, field: str) -> Node:
        parts = split(self.raw_value())
        if all(isinstance(part, str) for part in parts):
            return Equal(field, "".join(cast("tuple[str, ...]", parts)))
        return Exists(field) if parts == (Wild.ANY,) else Like(field, join(parts))

    def compare(self, field: str, sign: str) -> Node:
        start = self.at
        limit = number(self.raw_value())
        if limit is None:
            raise self.wrong(f"a number after {sign}", start)
        return Compare(field, cast("Operator", sign), limit)

    def bound(self, edge: str, start: int, depth: int) -> None:
        if depth:
            raise FilterError(f"at {start}: {edge}: cannot stand in or, not or brackets")
        try:
            self.bounds.append((edge, parse_time(self.raw_value(), self.now)))
        except FilterError as error:
            raise FilterError(f"at {start}: {error}") from error

    def free(self) -> Node:
        start = self.at
        if self.ahead() == "-":
            raise self.wrong("a term (what must not be there is `not …`)")
        parts = split(self.raw_value())
        found = words(" ".join(part for part in parts if isinstance(part, str)))
        wild = [part for part in parts if isinstance(part, Wild)]
        if not found:
            raise self.wrong("a letter or a digit to look for", start)
        if not wild:
            return Words(tuple(found))
        text = "".join(part for part in parts if isinstance(part, str))
        if wild == [Wild.ANY] and parts[-1] is Wild.ANY:
            return Words(tuple(found), prefix=bool(words(text[-1:])))
        if [text.lower()] != words(text):
            raise self.wrong("wildcards within one word, or one * at the end of the last", start)
        return WordLike(join(parts).lower())

    def raw_value(self) -> str:
        found = _VALUE.match(self.text, self.at)
        if found is None:
            raise self.wrong("a closing quote" if self.ahead() == '"' else "a value")
        self.take(_VALUE)
        text = found.group()
        return _unquoted(text) if text.startswith('"') else text

    def ahead(self) -> str:
        return self.text[self.at : self.at + 1]

    def count_term(self) -> None:
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise FilterError(f"at {self.at}: a filter has at most {MAX_TERMS} terms")

    def keyword(self) -> str:
        self.take(_SPACE)
        found = _KEYWORD.match(self.text, self.at)
        return found[1].lower() if found else ""

    def take(self, what: re.Pattern[str]) -> None:
        for pattern in (what, _SPACE):
            found = pattern.match(self.text, self.at)
            self.at = found.end() if found else self.at

    def skip(self, character: str) -> None:
        if self.ahead() != character:
            raise self.wrong(repr(character))
        self.at += 1
        self.take(_SPACE)

    def wrong(self, expected: str, position: int | None = None) -> FilterError:
        at = self.at if position is None else position
        there = repr(self.text[at : at + 20]) if at < len(self.text) else "the end"
        return FilterError(f"at {at}: expected {expected}, found {there}")


def _flat(parts: list[Node], kind: type[And | Or]) -> list[Node]:
    nested = [part.parts if isinstance(part, kind) else (part,) for part in parts]
    return [inner for group in nested for inner in group]


def _unquoted(text: str) -> str:
    r"""What stands in the quotes; `\"` is a quote, other backslashes are the pattern's."""
    return re.sub(r"\\(.)", lambda found: '"' if found[1] == '"' else found[0], text[1:-1])
