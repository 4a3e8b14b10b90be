"""Sigma's encodings as the specification has them: of bytes, whatever characters they come from.

pySigma takes ASCII alone for UTF-16, has a character for the byte order mark, knows no `utf16le`,
and in base64 counts characters for bytes and writes `\\*` for a star. So these take their place.
"""

from base64 import b64encode

from sigma.exceptions import SigmaValueError
from sigma.modifiers import SigmaValueModifier, modifier_mapping, reverse_modifier_mapping
from sigma.types import SigmaExpansion, SigmaString

BYTES = "latin-1"
"""Says each byte as one character."""
STARTS = (0, 2, 3)
"""Base64 characters that what stands before the text has a part in, at each offset."""
ENDS = (None, -3, -2)
"""The same of what stands behind, by the length of all modulo 3."""


class Encoded(SigmaString):
    """A text of which every character stands for a byte."""


class _Encoding(SigmaValueModifier[SigmaString, SigmaString]):
    encoding: str
    mark = b""

    def modify(self, val: SigmaString) -> SigmaString:
        made = Encoded()
        mark = self.mark.decode(BYTES)
        parts = [self._encoded(part) if isinstance(part, str) else part for part in val.s]
        made.s = [mark, *parts] if mark else parts
        return made

    def _encoded(self, part: str) -> str:
        return part.encode(self.encoding, "surrogatepass").decode(BYTES)


class Utf16Le(_Encoding):
    """`utf16le` and its other name `wide`."""

    encoding = "utf-16-le"


class Utf16Be(_Encoding):
    """`utf16be`."""

    encoding = "utf-16-be"


class Utf16(_Encoding):
    """`utf16`: little-endian after its byte order mark."""

    encoding = "utf-16-le"
    mark = b"\xff\xfe"


class Base64(SigmaValueModifier[SigmaString, SigmaString]):
    """`base64`."""

    def modify(self, val: SigmaString) -> SigmaString:
        return SigmaString(b64encode(_data(self, val)).decode())


class Base64Offset(SigmaValueModifier[SigmaString, SigmaExpansion]):
    """`base64offset`: what the text makes of itself wherever it begins in encoded data."""

    def modify(self, val: SigmaString) -> SigmaExpansion:
        data = _data(self, val)
        shifted = [b64encode(b" " * shift + data).decode() for shift in range(3)]
        return SigmaExpansion(
            [
                SigmaString(text[STARTS[shift] : ENDS[(len(data) + shift) % 3]])
                for shift, text in enumerate(shifted)
            ]
        )


def _data(modifier: Base64 | Base64Offset, value: SigmaString) -> bytes:
    if value.contains_special():
        raise SigmaValueError("base64 is of text without wildcards", source=modifier.source)
    text = "".join(part for part in value.s if isinstance(part, str))
    return text.encode(BYTES if isinstance(value, Encoded) else "utf-8", "surrogatepass")


def install() -> None:
    """Let pySigma use these."""
    for name, modifier in (
        ("wide", Utf16Le),
        ("utf16le", Utf16Le),
        ("utf16be", Utf16Be),
        ("utf16", Utf16),
        ("base64", Base64),
        ("base64offset", Base64Offset),
    ):
        modifier_mapping[name] = modifier
        reverse_modifier_mapping[modifier.__name__] = name
