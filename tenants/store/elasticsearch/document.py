"""An event made into what the index takes."""

from collections import defaultdict
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

from tenants.store.blocks import Entry
from tenants.store.elasticsearch import layout
from tenants.store.values import number, walk, words


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
_REMEMBERED = 32_768
"""Values of which it is known what they are in the index: logs repeat themselves."""
_SHORT = 200
"""Characters of a value that is worth remembering."""


def document(entry: Entry, level: Level = Level.FIELDS) -> Mapping[str, Any]:
    """The document of an event; `failed` in it says what of the event is not in the index."""
    made = _Document(level)
    if level is not Level.BARE:
        made.take(entry)
    if level is not Level.FIELDS:
        made.failed.add("refused" if level is Level.PAIRS else "bare")
    return made.ready(entry)


class _Term(NamedTuple):
    """What a value is in the index, under its path."""

    folded: str
    is_field: bool
    number: str | None
    failed: str | None = None
    """Why it is not in the index; nothing else is of use then."""


class _Text(NamedTuple):
    """What the free words of a value are in the index."""

    words: str
    long_words: tuple[str, ...] = ()
    failed: str | None = None


class _Document:
    """A document while it grows."""

    def __init__(self, level: Level) -> None:
        self._all_fields = level is Level.FIELDS
        # Dicts without values: sets that keep their order, so that a document is always the same.
        self._fields: dict[str, dict[str, None]] = defaultdict(dict)
        self._pairs: dict[str, None] = {}
        self._names: dict[str, None] = {}
        self._numbers: dict[str, None] = {}
        self._texts: dict[str, None] = {}
        self._long_words: dict[str, None] = {}
        self.failed: set[str] = set()

    def take(self, entry: Entry) -> None:
        """Take all of an event: its own fields, its envelope, and the words of its line."""
        for name, value in entry.fields.items():
            own = ((name, value),) if value.__class__ is str else walk(value, name)
            for path, found in own:
                self._take_value(path, found)
                self._take_words(found)
        for path, found in walk(entry.soc, "soc"):
            if path != layout.ORIGINAL:
                self._take_value(path, found)
        if isinstance(entry.soc, dict) and isinstance(entry.soc.get("original"), str):
            self._take_words(entry.soc["original"])

    def _take_value(self, path: str, value: str) -> None:
        made = _term if len(value) <= _SHORT else _made_term
        folded, is_field, number, failed = made(path, value)
        if failed is not None:
            self.failed.add(failed)
            return
        if is_field and (self._all_fields or path.startswith("soc.")):
            self._fields[path][folded] = None
        else:
            self._pairs[layout.pair(path, folded)] = None
            self._names[layout.escaped(path)] = None
        if number is not None:
            self._numbers[number] = None

    def _take_words(self, value: str) -> None:
        made = _text if len(value) <= _SHORT else _made_text
        words, long_words, failed = made(value)
        if words:
            self._texts[words] = None
        if long_words:
            self._long_words.update(dict.fromkeys(long_words))
        if failed is not None:
            self.failed.add(failed)

    def ready(self, entry: Entry) -> Mapping[str, Any]:
        """The document of what was taken."""
        made: dict[str, Any] = {path: list(values) for path, values in self._fields.items()}
        beside = {
            layout.PAIRS: list(self._pairs),
            layout.NAMES: list(self._names),
            layout.NUMBERS: list(self._numbers),
            layout.TEXTS: layout.BETWEEN.join(self._texts),
            layout.LONG_WORDS: list(self._long_words),
            layout.FAILED: sorted(self.failed),
        }
        made.update((name, values) for name, values in beside.items() if values)
        made[layout.TIME] = entry.key.time
        made[layout.ID] = entry.key.id.hex()
        made[layout.LINE] = entry.line.decode()
        return made


def _made_term(path: str, value: str) -> _Term:
    failed = _unfit(path, value)
    if failed is not None:
        return _Term("", is_field=False, number=None, failed=failed)
    found = number(value)
    as_number = None if found is None else layout.number_term(path, found)
    return _Term(value.lower(), _is_field(path), as_number)


def _made_text(value: str) -> _Text:
    found = words(value)
    if len(value) <= layout.LONGEST_WORD:
        return _Text(" ".join(found))
    long_words = [word for word in found if len(word) > layout.LONGEST_WORD]
    kept = tuple(word for word in long_words if _size(word, "") <= layout.LONGEST_TERM)
    return _Text(
        # A mark keeps a long word's place.
        " ".join(layout.MARK if len(word) > layout.LONGEST_WORD else word for word in found),
        kept,
        "long" if len(kept) < len(long_words) else None,
    )


_is_field = lru_cache(maxsize=_REMEMBERED)(layout.is_field)
_term = lru_cache(maxsize=_REMEMBERED)(_made_term)
_text = lru_cache(maxsize=_REMEMBERED)(_made_text)


def _unfit(path: str, value: str) -> str | None:
    """Why a value can't be in the index."""
    # A character may take 4 bytes, and twice as many characters when it is folded or escaped.
    if len(path) + len(value) > layout.LONGEST_TERM // 8 and _size(path, value) > (
        layout.LONGEST_TERM
    ):
        return "long"
    return None if _is_text(path) and _is_text(value) else "odd"


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
