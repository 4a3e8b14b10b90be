"""JSON in and out for what outsiders send: fast first, lenient second, bounded always."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from collectors.wrapping import unwrapped

MAX_DEPTH = 64
"""Arrays and objects within each other; more is refused."""
MAX_VALUES = 10_000
"""Members and elements in all of one document; more is refused."""
MAX_DIGITS = 4_000
"""Of an integer; a longer one becomes a string of its digits."""


class OutOfBounds(ValueError):
    """JSON that is nested too deeply or holds too many values."""


_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def loads(data: bytes) -> Any:
    """Decode one JSON document as strictly as possible and as leniently as necessary.

    The fast decoder refuses lone surrogates, NaN, Infinity and broken UTF-8; refused text goes
    through a second decoder, because a line that only we can't read is a way past every rule.
    There a lone surrogate stays one, NaN and infinities become strings of that name, and broken
    bytes become U+FFFD. Integers keep every digit, very long ones as strings. Raises ValueError
    for what is not JSON either way, OutOfBounds for what is nested deeper than MAX_DEPTH or holds
    more than MAX_VALUES.
    """
    try:
        value = _decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        value = _loads_leniently(data)
    # Text with few brackets and few bytes can't be out of bounds, and most text is like that.
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH or len(data) > MAX_VALUES:
        check_bounds(value)
    return value


def loads_within(data: bytes) -> tuple[Any, bool]:
    """Decode as loads does; of a document out of bounds the part within, and whether that is less.

    Raises ValueError for what is not JSON.
    """
    try:
        return loads(data), False
    except OutOfBounds:
        pass
    shallow, cut = _shallow(data)
    try:
        value = _decode(shallow)
    except (msgspec.DecodeError, ValueError, RecursionError):
        value = _loads_leniently(shallow)
    value, less = within(value)
    return value, cut or less


def within(value: Any, values: int = MAX_VALUES) -> tuple[Any, bool]:
    """A copy of what is within the bounds, and whether that is less than all.

    What stands further out goes first, so that a deep or long member can't push its neighbours out.
    """
    if not isinstance(value, dict | list):
        return value, False
    root: Any = type(value)()
    level, left = [(value, root)], values
    for _ in range(MAX_DEPTH - 1):
        below = []
        for parent, copy in level:
            for key, child in parent.items() if isinstance(parent, dict) else enumerate(parent):
                if not left:
                    return root, True
                left -= 1
                if isinstance(child, dict | list):
                    made = type(child)()
                    below.append((child, made))
                    child = made  # noqa: PLW2901 - its copy, filled in on the next level
                if isinstance(copy, dict):
                    copy[key] = child
                else:
                    copy.append(child)
        level = below
    return root, any(parent for parent, _ in level)


def _shallow(data: bytes) -> tuple[bytes, bool]:
    """JSON text with null for whatever is nested too deeply, and whether there was any."""
    parts: list[bytes] = []
    depth = kept = 0
    for found in _STRUCTURE.finditer(data):
        if found[0] in b"[{":
            depth += 1
            if depth == MAX_DEPTH:
                parts.append(data[kept : found.start()] + b"null")
        elif found[0] in b"]}":
            if depth == MAX_DEPTH:
                kept = found.end()
            depth -= 1
    return b"".join((*parts, data[kept:])), bool(parts)


_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[\[{\]}]', re.DOTALL)
"""Strings, so that brackets in them do not count, and brackets."""


def load_many(data: bytes) -> Iterator[Any]:
    """The elements of one array, of an object that only wraps events, or value after value.

    Each value is bounded and read as loads does. Where text is not JSON, a ValueError is yielded
    in its place, and reading goes on at the next line.
    """
    try:
        value = _decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        yield from _values_in(data.decode("utf-8-sig", "replace"))
        return
    whole = value if isinstance(value, list) else unwrapped(value) or [value]
    yield from map(_bounded, whole)


def _values_in(text: str) -> Iterator[Any]:
    position = _past_blanks(text, 0)
    only_array = text.startswith("[", position)
    while position < len(text):
        try:
            value, end = _LENIENT.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            end = text.find("\n", position) + 1 or len(text)
            value = ValueError(f"not JSON: {error}")
        position = _past_blanks(text, end)
        if only_array and position == len(text) and isinstance(value, list):
            yield from map(_bounded, value)
            return
        only_array = False
        if isinstance(value, ValueError):
            yield value
        else:
            yield from map(_bounded, unwrapped(value) or [value])


def _past_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


def _bounded(value: Any) -> Any:
    try:
        check_bounds(value)
    except ValueError as error:
        return error
    return value


def dumps(value: Any) -> bytes:
    r"""Encode on one line. Lone surrogates are written as \udXXX, so that loads gives them back.

    Takes what loads returns; raises ValueError for what JSON can't say.
    """
    try:
        return _encode(value)
    except (UnicodeEncodeError, RecursionError):
        pass
    try:
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"expected strings, numbers, lists and objects: {error}") from error
    return text.encode("ascii")


def _loads_leniently(data: bytes) -> Any:
    text = data.decode("utf-8-sig", "replace")
    try:
        return _LENIENT.decode(text)
    except RecursionError as error:
        raise OutOfBounds(f"nested deeper than {MAX_DEPTH}") from error


def _number(text: str) -> float | str:
    number = float(text)
    if math.isfinite(number):
        return number
    return "Infinity" if number > 0 else "-Infinity"


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= MAX_DIGITS else text


_LENIENT = json.JSONDecoder(
    strict=False, parse_float=_number, parse_int=_integer, parse_constant=str
)


def check_bounds(value: Any) -> None:
    """Raise ValueError where a value is nested too deeply or holds too many others.

    Walks level by level, so that the walk itself can't run out of stack. Raises OutOfBounds.
    """
    level, values = [value], 0
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        values += len(level)
        if values > MAX_VALUES:
            raise OutOfBounds(f"more than {MAX_VALUES} values")
        if not level:
            return
    raise OutOfBounds(f"nested deeper than {MAX_DEPTH}")
