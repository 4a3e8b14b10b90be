"""Of a line of JSON only the fields that are asked for."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgspec

from collectors import codec
from detection.anomaly.profile import Row

ENVELOPE: Final = "soc"
NOT_READ: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Decode = Callable[[bytes], Row | None]


@lru_cache(maxsize=256)
def decoder(names: tuple[str, ...], envelope: Any, *, optional: bool = False) -> Decode:
    """Decodes an object to the values of these names, and last its envelope, as of this type.

    It gives None for a line that is odd: that has to be decoded whole to know what it says, or
    whether it is within bounds.
    """
    written = {f"field_{at}": name for at, name in enumerate(names)}
    places: list[Any] = [(place, Any, None) for place in written]
    last: Any = (ENVELOPE, envelope, None) if optional else (ENVELOPE, envelope)
    try:
        form = msgspec.defstruct("View", [*places, last], rename=written, kw_only=True, gc=False)
    except ValueError:  # a name that can't be looked for in a line as it stands
        return lambda _: None
    decode, values = msgspec.json.Decoder(form).decode, msgspec.structs.astuple

    def decoded(line: bytes) -> Row | None:
        if len(line) > codec.MAX_VALUES or _brackets(line) > codec.MAX_DEPTH:
            return None
        try:
            return values(decode(line))
        except NOT_READ:
            return None

    return decoded


def _brackets(line: bytes) -> int:
    """How many arrays and objects begin in a line; half the cost of counting twice."""
    return len(line) - len(line.replace(b"{", b"").replace(b"[", b""))
