"""Many patterns answered in one pass over a value: Hyperscan databases, kept on disk by digest."""

import re
from collections.abc import Sequence
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

import hyperscan

from detection.sigma.predicates import Kind, Predicate, Wild
from detection.sigma.stored import recalled, store

FLAGS = hyperscan.HS_FLAG_DOTALL | hyperscan.HS_FLAG_SINGLEMATCH
REGEX_FLAGS = {
    "i": hyperscan.HS_FLAG_CASELESS,
    "m": hyperscan.HS_FLAG_MULTILINE,
    "s": hyperscan.HS_FLAG_DOTALL,
}
ONE_CHARACTER = rb"(?:[\x00-\x7f]|[\xc0-\xff][\x80-\xbf]*)"
"""In UTF-8; a lone surrogate counts as one too. What follows it never is a continuation byte."""
_SPECIAL = re.compile(rb"[^A-Za-z0-9]")
_VERSION = version("hyperscan").encode()


class Scanner:
    """Says which of its patterns occur in a text, in one pass."""

    def __init__(self, database: hyperscan.Database) -> None:
        self.scan = database.scan
        """Called with bytes, `note`, 0 and a list, it adds to that what `found` returns."""
        self._database = database  # its scratch lives with it

    def found(self, data: bytes) -> list[int]:
        """Positions, in the list compiled, of the patterns that occur in `data`."""
        hits: list[int] = []
        self.scan(data, note, 0, hits)
        return hits


def note(number: int, _start: int, _end: int, _flags: int, hits: Any) -> None:
    """What Hyperscan calls for each pattern that it finds."""
    hits.append(number)


def expression(predicate: Predicate) -> tuple[bytes, int] | None:
    """What to tell Hyperscan to find a predicate in UTF-8 bytes, None if it had better not look.

    A text kind is found exactly. A regular expression may be found where RE2 would not find it
    (`$` before a last line break), never the other way in ASCII without vertical tabs.
    """
    kind, value = predicate.kind, predicate.value
    if kind is Kind.REGEX:
        flags, pattern = value
        if not pattern.isascii() or "\x00" in pattern:
            return None
        total = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_ALLOWEMPTY
        for flag in flags:
            total |= REGEX_FLAGS[flag]
        return pattern.encode("ascii"), total
    if kind is Kind.CONTAINS:
        return literal(value), FLAGS
    if kind is Kind.STARTS:
        return rb"\A" + literal(value), FLAGS
    if kind is Kind.ENDS:
        return literal(value) + rb"\z", FLAGS
    if kind is Kind.WILD:
        return _wild(value), FLAGS
    return None


def is_hint(pattern: bytes) -> bool:
    """Whether Hyperscan may find a regular expression where RE2 would not.

    Before a last line break `$` holds for one of them only, and they differ on what is a space.
    """
    return any(part in pattern for part in (b"$", rb"\s", rb"\S", b":space:"))


def literal(text: str) -> bytes:
    """The text's UTF-8 bytes as a pattern that matches them alone."""
    return _SPECIAL.sub(_escaped, text.encode("utf-8", "surrogatepass"))


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"\\x%02x" % found[0][0]


class Scanners:
    """Compiles patterns, once for each distinct list of them; one engine's own.

    What was compiled is kept in `folder` too, so that the next start only loads it.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._made: dict[str, Scanner] = {}

    def scanner(self, patterns: Sequence[tuple[bytes, int]]) -> Scanner:
        """The scanner of these patterns. Raises hyperscan.error for a pattern it can't take."""
        digest = _digest(patterns)
        made = self._made.get(digest)
        if made is None:
            made = self._made[digest] = Scanner(self._database(digest, patterns))
        return made

    def _database(self, digest: str, patterns: Sequence[tuple[bytes, int]]) -> hyperscan.Database:
        path = self._folder / f"{digest}.hsdb" if self._folder else None
        stored = _load(path) if path else None
        if stored is not None:
            return stored
        database = compiled(patterns)
        if path is not None:
            store(path, hyperscan.dumpb(database))
        return database


def compiled(patterns: Sequence[tuple[bytes, int]]) -> hyperscan.Database:
    """Compile patterns, numbered as they stand. Raises hyperscan.error for one it can't take."""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[pattern for pattern, _ in patterns],
        ids=list(range(len(patterns))),
        flags=[flags for _, flags in patterns],
        elements=len(patterns),
    )
    return database


def compiles(pattern: tuple[bytes, int]) -> bool:
    """Whether Hyperscan takes this pattern at all."""
    try:
        compiled([pattern])
    except hyperscan.error:
        return False
    return True


def _wild(pattern: Sequence[str | Wild]) -> bytes:
    parts = [
        literal(part) if isinstance(part, str) else b".*" if part is Wild.TEXT else ONE_CHARACTER
        for part in pattern
    ]
    head = b"" if pattern[0] is Wild.TEXT else rb"\A"
    tail = b"" if pattern[-1] is Wild.TEXT else rb"\z"
    return head + b"".join(parts[not head : len(parts) - (not tail)]) + tail


def _digest(patterns: Sequence[tuple[bytes, int]]) -> str:
    digest = blake2b(_VERSION, digest_size=16)
    for pattern, flags in patterns:
        digest.update(b"%d:%d:" % (flags, len(pattern)) + pattern)
    return digest.hexdigest()


def _load(path: Path) -> hyperscan.Database | None:
    """A stored database, None if there is none or it is not whole or not of this machine."""
    data = recalled(path)
    if data is None:
        return None
    try:
        database = hyperscan.loadb(data, hyperscan.HS_MODE_BLOCK)
        database.scratch = hyperscan.Scratch(database)
    except hyperscan.error:
        return None
    return database
