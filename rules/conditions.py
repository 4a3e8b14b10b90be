"""The text of a Sigma condition, taken apart so that parts of it can be left out."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

_OF = re.compile(r"\b(\d+|any|all)\s+of\s+([\w*-]+)", re.IGNORECASE)
_DEEPER = re.compile(r"[()]|[\w*-]+")
_TOKEN = re.compile(r"\s*(\(|\)|(?:1|any|all)\s+of\s+[\w*]+|[\w*-]+)")


MAX_CONDITION = 20_000
"""Characters; the longest of SigmaHQ's has 542."""
MAX_NESTING = 50
"""Parentheses and `not` within each other."""
MAX_MEANT = 20_000
"""Selections that all patterns of a condition stand for."""


@dataclass(frozen=True)
class Name:
    """A selection, or `1 of` / `all of` some."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Negation:
    """`not` something."""

    part: "Expression"

    def __str__(self) -> str:
        return f"not ({self.part})"


@dataclass(frozen=True)
class Chain:
    """Several parts joined by `and` or by `or`."""

    word: str
    parts: tuple["Expression", ...]

    def __str__(self) -> str:
        return f" {self.word} ".join(f"({part})" for part in self.parts)


Expression = Name | Negation | Chain


def parse(condition: str) -> Expression:
    """Take a condition apart. Raises ValueError where it is none."""
    check_bounds(condition)
    tokens = _tokens(condition)
    expression = _chain(tokens, ("or", "and"))
    if tokens:
        raise ValueError(f"condition '{condition}': unexpected '{tokens[0]}'")
    return expression


def check_bounds(condition: str, selections: Sequence[str] = ()) -> None:
    """Raises ValueError for a condition that would take too long to read."""
    if len(condition) > MAX_CONDITION:
        message = f"expected a condition of at most {MAX_CONDITION:,} characters"
        raise ValueError(f"{message}, got {len(condition):,}; split the rule")
    depth = negations = 0
    for word in _DEEPER.findall(condition):
        negations = negations + 1 if word == "not" else 0
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth + negations > MAX_NESTING:
            raise ValueError(f"a condition is nested more than {MAX_NESTING} deep; split the rule")
    patterns = len(_OF.findall(condition)) if selections else 0
    if patterns * len(selections) > MAX_MEANT:
        message = f"{patterns:,} patterns over {len(selections):,} selections"
        raise ValueError(f"a condition has {message}; split the rule")


def meant_by_none(condition: str, selections: Iterable[str]) -> Iterator[str]:
    """The patterns (`1 of filter_*`, `all of them`) of a condition that no selection's name fits.

    Names that begin with an underscore are meant only by patterns that do so too.
    """
    known = list(selections)
    for _, pattern in _OF.findall(condition):
        if not meant(pattern, known):
            yield pattern


def spelt_out(condition: str, selections: Sequence[str], *, beginning: str = "") -> str:
    """The same with names for each pattern that begins so, so that more of them change nothing."""

    def names(found: re.Match[str]) -> str:
        if not found[2].startswith(beginning):
            return found[0]
        word = " and " if found[1].lower() == "all" else " or "
        return f"({word.join(meant(found[2], selections))})"

    return _OF.sub(names, condition)


def meant(pattern: str, selections: Sequence[str]) -> Sequence[str]:
    """The selections that a name or a pattern stands for."""
    fits = "*" if pattern == "them" else pattern
    named = [name for name in selections if fnmatchcase(name, fits)]
    return [name for name in named if pattern.startswith("_") or not name.startswith("_")]


def without_a_part(expression: Expression) -> Iterator[Expression]:
    """Every condition that leaves out one operand of an `and` or `or`, or one `not`."""
    if isinstance(expression, Negation):
        yield expression.part
        for part in without_a_part(expression.part):
            yield Negation(part)
    if isinstance(expression, Chain):
        for index, part in enumerate(expression.parts):
            before, after = expression.parts[:index], expression.parts[index + 1 :]
            rest = before + after
            yield rest[0] if len(rest) == 1 else Chain(expression.word, rest)
            for changed in without_a_part(part):
                yield Chain(expression.word, (*before, changed, *after))


def _tokens(condition: str) -> list[str]:
    tokens, position = [], 0
    while condition[position:].strip():
        found = _TOKEN.match(condition, position)
        if found is None:
            raise ValueError(f"condition '{condition}': cannot read '{condition[position:]}'")
        tokens.append(found[1])
        position = found.end()
    return tokens


def _chain(tokens: list[str], words: tuple[str, ...]) -> Expression:
    """Parts joined by the first word, each made of parts joined by the words after it."""
    if not words:
        return _operand(tokens)
    word, *tighter = words
    parts = [_chain(tokens, tuple(tighter))]
    while tokens and tokens[0].lower() == word:
        tokens.pop(0)
        parts.append(_chain(tokens, tuple(tighter)))
    return parts[0] if len(parts) == 1 else Chain(word, tuple(parts))


def _operand(tokens: list[str]) -> Expression:
    if not tokens:
        raise ValueError("a condition ends too early")
    word = tokens.pop(0)
    if word.lower() == "not":
        return Negation(_operand(tokens))
    if word != "(":
        return Name(word)
    inner = _chain(tokens, ("or", "and"))
    if not tokens or tokens.pop(0) != ")":
        raise ValueError("a condition has an opening parenthesis too many")
    return inner
