"""What a block of events is found by, and what a filter asks of a block before it is opened.

The index only narrows: a block that it leaves out holds nothing that the filter lets through, and
of a block that it lets in each event is looked at. A block is known by a token for each word, for
each field, and for each field and value that stands in any of its events.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tenants.store.blocks import Entry
from tenants.store.terms import And, Compare, Equal, Exists, Like, Node, Or, WordLike, Words
from tenants.store.values import text, words
from tenants.store.wildcard import Part, Wild, split

_ENVELOPE = ("source", "marks", "logsources", "related")
"""What of `soc` is in the index; the rest is other for each event, or the same for all."""
_PLAIN = frozenset({str, int})
"""Types whose values differ wherever their texts do (1, true and 1.0 are equal to a set)."""
_LONGEST_WORD = 64
_SHORTEST_PREFIX = 3
"""A shorter beginning of a word would gather too much of the index to be of use."""


def tokens(entries: Iterable[Entry]) -> str:
    """The tokens of a block, with spaces between."""
    plain: set[tuple[str, str | int]] = set()
    found: set[tuple[str, str]] = set()
    texts: set[str] = set()
    for entry in entries:
        if _PLAIN.issuperset(map(type, entry.fields.values())):
            plain.update(entry.fields.items())
        else:
            _gather_fields(entry.fields, found)
        if isinstance(entry.soc, dict):
            _gather_envelope(entry.soc, found, texts)
    found.update((path, text(value)) for path, value in plain)
    texts.update(value for _, value in found)
    every = {_pair(path, value.lower()) for path, value in found}
    every.update(_field(path) for path in {path for path, _ in found})
    every.update(word[:_LONGEST_WORD] for word in words("\n".join(texts)))
    return " ".join(every)


def _gather_fields(fields: Mapping[str, Any], found: set[tuple[str, str]]) -> None:
    for name, value in fields.items():
        _gather(value, name, found)


def _gather(value: Any, path: str, found: set[tuple[str, str]]) -> None:
    """What values.walk gives, straight into the set."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _gather(inner, f"{path}.{name}", found)
    elif isinstance(value, list):
        for inner in value:
            _gather(inner, path, found)
    elif value is not None:
        found.add((path, text(value)))


def _gather_envelope(soc: dict[str, Any], found: set[tuple[str, str]], texts: set[str]) -> None:
    for name in _ENVELOPE:
        if name in soc:
            _gather(soc[name], f"soc.{name}", found)
    if isinstance(soc.get("original"), str):
        texts.add(soc["original"])


def narrowing(node: Node | None) -> str | None:
    """What the full-text index is asked for, None where it can't leave out any block."""
    match node:
        case And(parts):
            found = [asked for part in parts if (asked := narrowing(part))]
            return f"({' AND '.join(found)})" if found else None
        case Or(parts):
            each = [narrowing(part) for part in parts]
            return f"({' OR '.join(filter(None, each))})" if all(each) else None
        case Words(found, prefix):
            whole = found[:-1] if prefix else found
            return _every([*map(_quoted, whole), *(_prefix(found[-1]) if prefix else ())])
        case WordLike(pattern):
            return _every(list(_pattern_words(split(pattern.lower()))))
        case Equal() | Like() | Exists() | Compare():
            return _of_field(node)
        case _:
            return None


def _of_field(term: Equal | Like | Exists | Compare) -> str | None:
    in_envelope = term.field == "soc" or term.field.startswith("soc.")
    if in_envelope and term.field.split(".")[1:2] not in [[name] for name in _ENVELOPE]:
        return None
    match term:
        case Equal(field, value):
            return _quoted(_pair(field, value.lower()))
        case Like(field, pattern):
            known = _pattern_words(split(pattern.lower()))
            return _every([_quoted(_field(field)), *known])
        case _:
            return _quoted(_field(term.field))


def _pattern_words(parts: Iterable[Part]) -> Iterator[str]:
    """What is asked for each word of a pattern whose beginning is sure."""
    parts = list(parts)
    for at, part in enumerate(parts):
        if isinstance(part, Wild):
            continue
        found = words(part)
        if at > 0 and found and part.startswith(found[0]):
            found = found[1:]
        open_end = at + 1 < len(parts) and found and part.endswith(found[-1])
        yield from map(_quoted, found[:-1] if open_end else found)
        if open_end:
            yield from _prefix(found[-1])


def _prefix(word: str) -> Iterator[str]:
    if len(word) >= _LONGEST_WORD:
        yield _quoted(word)
    elif len(word) >= _SHORTEST_PREFIX:
        yield f'"{word}" *'


def _every(asked: list[str]) -> str | None:
    return f"({' AND '.join(asked)})" if asked else None


def _quoted(word: str) -> str:
    return f'"{word[:_LONGEST_WORD]}"'


def _pair(path: str, folded: str) -> str:
    """A short token: two pairs that share one cost a look at a block, and nothing else."""
    data = f"{path}\0{folded}".encode("utf-8", "surrogatepass")
    return f"{zlib.crc32(data):x}"


def _field(path: str) -> str:
    return _pair(path, "\0field")
