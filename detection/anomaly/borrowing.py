"""The record by which others' habits help a first day: in band, so a replay is helped alike."""

from typing import Final

import msgspec

KIND: Final = "prior"
ASK_EVERY: Final = 3600.0
"""Seconds of the log after which a first day without help asks again."""


class Borrow(msgspec.Struct, frozen=True, kw_only=True):
    """From here on this version judges the first day of a profile, if it is not over."""

    v: int = 1
    profile: str
    version: str


encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Borrow).decode


def decode(value: bytes) -> Borrow:
    """Undo encode. Raises ValueError for anything else."""
    try:
        return _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"expected what helps a first day: {error}") from error
