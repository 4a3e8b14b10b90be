"""A look at the raw bytes, before they are decoded: most lines that hold no answer show it there.

Like the index it only leaves out what can't be an answer. It looks for printable ASCII, which
codec.dumps, and so every stored line, writes as it is.
"""

import re
from collections.abc import Iterator, Sequence

from tenants.store.terms import And, Equal, Like, Node, WordLike, Words
from tenants.store.wildcard import Part, split

_RUN = re.compile(r"[ !#-\[\]-hjl-~]{3,}")
"""No quote and no backslash, which JSON escapes; no i and no k, to which the lower case of two
letters outside ASCII (U+0130, U+212A) comes down, so that their bytes are others."""
_OF_NUMBERS = frozenset("0123456789.+-einfty")
"""1e3 may be written 1000.0."""


def needles(node: Node | None) -> Sequence[bytes]:
    """What the folded bytes of every answer hold, the longest first."""
    return sorted({text.encode() for text in _needles(node)}, key=len, reverse=True)


def may_hold(data: bytes, wanted: Sequence[bytes]) -> bool:
    """Whether the bytes of one or more lines may hold an answer."""
    if not wanted:
        return True
    folded = data.lower()
    return all(needle in folded for needle in wanted)


def _needles(node: Node | None) -> Iterator[str]:
    match node:
        case And(parts):
            for part in parts:
                yield from _needles(part)
        case Equal(_, value):
            whole = value.isascii() and value.isdigit()
            yield from (value,) if whole else _runs((value.lower(),))
        case Like(_, pattern) | WordLike(pattern):
            yield from _runs(split(pattern.lower()))
        case Words(words):
            yield from _runs(words)


def _runs(parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            for run in _RUN.findall(part):
                if not _OF_NUMBERS.issuperset(run):
                    yield run
