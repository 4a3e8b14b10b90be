"""What a filter is made of: terms on fields and words, joined by and, or and not."""

import re
from collections.abc import Sequence
from typing import Literal

import msgspec

from tenants.store.wildcard import escape

SHORTCUTS = {
    "host": "soc.related.host",
    "user": "soc.related.user",
    "ip": "soc.related.ip",
    "hash": "soc.related.hash",
    "source": "soc.source",
    "mark": "soc.marks",
    "logsource": "soc.logsources",
    "id": "soc.id",
}
"""Short names of the envelope's fields; in quotes such a name is a field of the event's own."""

BARE_FIELD = r"[^\s()\":=<>!,*?\\]+"
"""A field's name that needs no quotes; so does a value, see BARE_VALUE."""
BARE_VALUE = r"[^\s()\",]+"
KEYWORDS = frozenset({"and", "or", "not", "in", "since", "until"})

Operator = Literal["<", "<=", ">", ">="]


class Equal(msgspec.Struct, frozen=True, tag=True):
    """A value of the field is this text, upper and lower case alike."""

    field: str
    value: str

    def __str__(self) -> str:
        """`EventID:4624`."""
        return f"{_field(self.field)}:{_value(escape(self.value))}"


class Like(msgspec.Struct, frozen=True, tag=True):
    """A value of the field fits this pattern (tenants.store.wildcard) as a whole."""

    field: str
    pattern: str

    def __str__(self) -> str:
        r"""`Image:*\\whoami.exe`."""
        return f"{_field(self.field)}:{_value(self.pattern)}"


class Exists(msgspec.Struct, frozen=True, tag=True):
    """The field has a value that is not null; the empty string is one."""

    field: str

    def __str__(self) -> str:
        """`Image:*`."""
        return f"{_field(self.field)}:*"


class Compare(msgspec.Struct, frozen=True, tag=True):
    """A value of the field is a number, or text that reads as one, on this side of the limit."""

    field: str
    operator: Operator
    limit: float

    def __str__(self) -> str:
        """`sc-status >= 400`."""
        return f"{_field(self.field)} {self.operator} {self.limit!r}".removesuffix(".0")


class Words(msgspec.Struct, frozen=True, tag=True):
    """One value holds these words in this order, side by side; `prefix`: the last one begins so."""

    words: tuple[str, ...]
    prefix: bool = False

    def __str__(self) -> str:
        """`whoami`, `"failed password"`, `"failed pass*"`."""
        text = " ".join(self.words) + ("*" if self.prefix else "")
        return text if len(self.words) == 1 and text not in KEYWORDS else f'"{text}"'


class WordLike(msgspec.Struct, frozen=True, tag=True):
    """One word of any value fits this pattern."""

    pattern: str

    def __str__(self) -> str:
        """`*shell`."""
        return self.pattern


class Not(msgspec.Struct, frozen=True, tag=True):
    """The event is not one that the part lets through."""

    part: "Node"

    def __str__(self) -> str:
        """`not user:root`."""
        return f"not {_inner(self.part)}"


class And(msgspec.Struct, frozen=True, tag=True):
    """Every part lets the event through; at least two."""

    parts: tuple["Node", ...]

    def __str__(self) -> str:
        """`EventID:4624 and host:ws-014`."""
        return " and ".join(map(_inner, self.parts))


class Or(msgspec.Struct, frozen=True, tag=True):
    """At least one part lets the event through; at least two."""

    parts: tuple["Node", ...]

    def __str__(self) -> str:
        """`user:ann or user:bob`."""
        return " or ".join(map(_inner, self.parts))


Term = Equal | Like | Exists | Compare | Words | WordLike
Node = Term | Not | And | Or


def all_of(parts: Sequence[Node]) -> Node:
    """The parts joined by and; one part alone stays itself."""
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def any_of(parts: Sequence[Node]) -> Node:
    """The parts joined by or; one part alone stays itself."""
    return parts[0] if len(parts) == 1 else Or(tuple(parts))


def _inner(node: Node) -> str:
    return f"({node})" if isinstance(node, And | Or) else str(node)


def _field(name: str) -> str:
    for short, full in SHORTCUTS.items():
        if name == full:
            return short
    needs_quotes = (
        name in SHORTCUTS or name.lower() in KEYWORDS or not re.fullmatch(BARE_FIELD, name)
    )
    return _quoted(escape(name)) if needs_quotes else name


def _value(pattern: str) -> str:
    bare = re.fullmatch(BARE_VALUE, pattern) and not pattern.startswith(("<", ">"))
    return pattern if bare else _quoted(pattern)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'
