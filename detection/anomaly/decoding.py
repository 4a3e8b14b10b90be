"""Of a line of JSON only the fields that are asked for."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypedDict

import msgspec

from collectors import codec

ENVELOPE: Final = "soc"
NOT_READ: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Decode = Callable[[bytes], dict[str, Any] | None]
_dictionary: Any = TypedDict


@lru_cache(maxsize=256)
def decoder(names: frozenset[str], envelope: Any) -> Decode:
    """Decodes an object's fields of these names, and the envelope as of this type.

    It gives None for a line that is odd: that has to be decoded whole to know what it says, or
    whether it is within bounds.
    """
    # `a.b` may be a field's own name, or a way inwards.
    asked = {*names, *(name.partition(".")[0] for name in names)}
    form = {**dict.fromkeys(filter(_can_be_read, asked), Any), ENVELOPE: envelope}
    decode = msgspec.json.Decoder(_dictionary("View", form, total=False)).decode

    def decoded(line: bytes) -> dict[str, Any] | None:
        if len(line) > codec.MAX_VALUES or line.count(b"{") + line.count(b"[") > codec.MAX_DEPTH:
            return None
        try:
            found: dict[str, Any] = decode(line)
        except NOT_READ:
            return None
        return found

    return decoded


def _can_be_read(name: str) -> bool:
    """Lines with a lone surrogate in a name are odd."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
