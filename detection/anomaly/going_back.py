"""The record by which an operator goes back to an earlier model: in band, so a replay does too."""

from typing import Final

import msgspec

KIND: Final = "model"


class GoBack(msgspec.Struct, frozen=True, kw_only=True):
    """From here on this version is in force, and stays so; without one, nights' models go live."""

    v: int = 1
    profile: str
    version: str = ""


encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(GoBack).decode


def decode(value: bytes) -> GoBack:
    """Undo encode. Raises ValueError for anything else."""
    try:
        return _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"expected a model to go back to: {error}") from error
