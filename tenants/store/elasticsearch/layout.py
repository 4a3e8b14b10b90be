"""How an event lies in an index: which of its fields are the index's own, and what stands beside.

A field of an event is a field of the index, of the same name, wherever Elasticsearch can have it
so; every value is text, folded by `str.lower()`, so that types cannot clash and case is the same as
everywhere else. What stands beside, below `soc.index`:

- `pairs`: path, NUL, value – for names that cannot be an index's fields, and for events whose
  fields the index refused; one field, however many names a sender invents;
- `names`: the paths of those pairs;
- `numbers`: path, NUL, and the number in an order-preserving form, so that ranges are exact;
- `texts`: the words of each value, for free text; `long_words`: words too long to be in it;
- `line`: the whole event as it is written on one line, of any length, kept and not indexed;
- `time` and `id`: the order of events;
- `failed`: why an event is not wholly in the index.
"""

import re
import struct
from collections.abc import Mapping
from typing import Any

BESIDE = "soc.index."
PAIRS = BESIDE + "pairs"
NAMES = BESIDE + "names"
NUMBERS = BESIDE + "numbers"
TEXTS = BESIDE + "texts"
LONG_WORDS = BESIDE + "long_words"
LINE = BESIDE + "line"
TIME = BESIDE + "time"
ID = BESIDE + "id"
FAILED = BESIDE + "failed"

ORIGINAL = "soc.original"
"""A whole raw line: its words are in the index, the line as one value is not."""
MARK = "-"
"""Keeps a place among the words of an event; no word is written so."""
BETWEEN = f" {MARK} "
"""Between the words of two values, so that no phrase goes from one into the other."""
LONGEST_WORD = 120
"""Lucene's whitespace tokenizer cuts at 255 UTF-16 units; this is safely below."""
LONGEST_TERM = 32_000
"""Bytes; Lucene takes 32,766."""
MAX_FIELDS = 2_000
"""Fields of one slice: enough for all log sources known to Sigma, few enough for 50 tenants."""
_FIELD = re.compile(r"[A-Za-z@][\w@() /-]{0,99}(\.[A-Za-z0-9@][\w@() /-]{0,99}){0,9}", re.ASCII)
_SORTABLE = struct.Struct(">q")
_DOUBLE = struct.Struct(">d")
_SIGN = 1 << 63
_ALL_BITS = (1 << 64) - 1


def is_field(path: str) -> bool:
    """Whether a path can be a field of the index."""
    return (
        _FIELD.fullmatch(path) is not None
        and not path.startswith(BESIDE)
        and path not in ("soc", ORIGINAL)
        and " ." not in path
        and ". " not in path
        and not path.endswith(" ")
    )


def pair(path: str, value: str) -> str:
    """The term of a path and a folded value; the first NUL always ends the path."""
    return f"{escaped(path)}\0{value}"


def escaped(path: str) -> str:
    """A path without NUL."""
    return path.replace("\x01", "\x01\x01").replace("\0", "\x01\x02") if _odd(path) else path


def _odd(path: str) -> bool:
    return "\0" in path or "\x01" in path


def number_term(path: str, number: float) -> str:
    """The term of a path and a finite number; terms of one path sort as their numbers do."""
    (bits,) = _SORTABLE.unpack(_DOUBLE.pack(number + 0.0))
    ordered = (bits ^ _ALL_BITS if bits < 0 else bits | _SIGN) & _ALL_BITS
    return f"{escaped(path)}\0{ordered:016x}"


def template(pattern: str, *, shards: int) -> Mapping[str, Any]:
    """The index template of every slice."""
    exact = {"type": "keyword", "doc_values": False, "norms": False}
    folded = {**exact, "normalizer": "lowercase"}
    beside = dict.fromkeys((PAIRS, NAMES, NUMBERS, LONG_WORDS), exact) | {
        ID: {"type": "keyword", "index": False},
        TIME: {"type": "long"},
        TEXTS: {"type": "text", "analyzer": "whitespace", "norms": False},
        LINE: {"type": "binary"},
        FAILED: exact,
    }
    return {
        "index_patterns": [pattern],
        "template": {
            "settings": {
                "number_of_shards": shards,
                "auto_expand_replicas": "0-1",
                "refresh_interval": "30s",
                "mapping.total_fields.limit": MAX_FIELDS,
            },
            "mappings": {
                "subobjects": False,
                "date_detection": False,
                "properties": beside,
                "dynamic_templates": [{"values": {"match": "*", "mapping": folded}}],
            },
        },
    }
