"""An event made into what the index takes."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from tenants.store.blocks import Entry
from tenants.store.elasticsearch import layout
from tenants.store.values import number, own, walk, words


class Level(Enum):
    """How much of an event is put before the index; each is tried when the one before failed."""

    FIELDS = "fields"
    """Fields as fields of the index."""
    PAIRS = "pairs"
    """Fields as pairs: for what the index refused, such as one field more than it may have."""
    BARE = "bare"
    """The raw line, its time and its id."""


LOOKED_AT = ("long", "odd", "bare")
"""Reasons for which a search reads an event itself: the index does not hold all its values."""


def document(entry: Entry, level: Level = Level.FIELDS) -> Mapping[str, Any]:
    """The document of an event; `failed` in it says what of the event is not in the index."""
    made = _Document()
    if level is not Level.BARE:
        event = entry.fields if entry.soc is None else {**entry.fields, "soc": entry.soc}
        made.take_fields(event, layout.is_field if level is Level.FIELDS else _is_envelope)
        made.take_words(event)
    if level is not Level.FIELDS:
        made.failed.add("refused" if level is Level.PAIRS else "bare")
    return made.ready(entry)


def _is_envelope(path: str) -> bool:
    return path.startswith("soc.") and layout.is_field(path)


class _Document:
    """A document while it grows."""

    def __init__(self) -> None:
        self.fields: dict[str, set[str]] = {}
        self.pairs: set[str] = set()
        self.names: set[str] = set()
        self.numbers: set[str] = set()
        self.texts: list[str] = []
        self.long_words: set[str] = set()
        self.failed: set[str] = set()

    def take_fields(self, event: Mapping[str, Any], is_field: Callable[[str], bool]) -> None:
        for path, value in walk(event):
            if path != layout.ORIGINAL and self._fits(path, value):
                folded = value.lower()
                if is_field(path):
                    self.fields.setdefault(path, set()).add(folded)
                else:
                    self.pairs.add(layout.pair(path, folded))
                    self.names.add(layout.escaped(path))
                found = number(value)
                if found is not None:
                    self.numbers.add(layout.number_term(path, found))

    def _fits(self, path: str, value: str) -> bool:
        # A character may take 4 bytes, and twice as many characters when it is folded or escaped.
        if len(path) + len(value) > layout.LONGEST_TERM // 8 and _size(path, value) > (
            layout.LONGEST_TERM
        ):
            self.failed.add("long")
            return False
        if not (_is_text(path) and _is_text(value)):
            self.failed.add("odd")
            return False
        return True

    def take_words(self, event: Mapping[str, Any]) -> None:
        for text in own(event):
            found = words(text)
            if len(text) > layout.LONGEST_WORD:
                found = [self._word(word) for word in found]
            self.texts.append(" ".join(found))

    def _word(self, word: str) -> str:
        """The word, or a mark that keeps its place; no word is written so."""
        if len(word) <= layout.LONGEST_WORD:
            return word
        if _size(word, "") > layout.LONGEST_TERM:
            self.failed.add("long")
        else:
            self.long_words.add(word)
        return "-"

    def ready(self, entry: Entry) -> Mapping[str, Any]:
        several: dict[str, Any] = {path: list(values) for path, values in self.fields.items()}
        several[layout.PAIRS] = list(self.pairs)
        several[layout.NAMES] = list(self.names)
        several[layout.NUMBERS] = list(self.numbers)
        several[layout.TEXTS] = self.texts
        several[layout.LONG_WORDS] = list(self.long_words)
        several[layout.FAILED] = sorted(self.failed)
        made = {name: values for name, values in several.items() if values}
        made[layout.TIME] = entry.key.time
        made[layout.ID] = entry.key.id.hex()
        made[layout.LINE] = b64encode(entry.line).decode()
        return made


def _size(path: str, value: str) -> int:
    return len(layout.pair(path, value.lower()).encode("utf-8", "surrogatepass"))


def _is_text(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
