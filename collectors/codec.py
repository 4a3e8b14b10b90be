"""JSON in and out for what outsiders send: fast first, lenient second, bounded always."""

import json
import math
from collections.abc import Iterator
from typing import Any

import msgspec

MAX_DEPTH = 64
"""Arrays and objects within each other; more is refused."""
MAX_VALUES = 10_000
"""Members and elements in all of one document; more is refused."""
MAX_DIGITS = 4_000
"""Of an integer; a longer one becomes a string of its digits."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def loads(data: bytes) -> Any:
    """Decode one JSON document as strictly as possible and as leniently as necessary.

    The fast decoder refuses lone surrogates, NaN, Infinity and broken UTF-8; refused text goes
    through a second decoder, because a line that only we can't read is a way past every rule.
    There a lone surrogate stays one, NaN and infinities become strings of that name, and broken
    bytes become U+FFFD. Integers keep every digit, very long ones as strings. Raises ValueError
    for what is not JSON either way, is nested deeper than MAX_DEPTH or holds more than MAX_VALUES.
    """
    try:
        value = _decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        value = _loads_leniently(data)
    # Text with few brackets and few bytes can't be out of bounds, and most text is like that.
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH or len(data) > MAX_VALUES:
        check_bounds(value)
    return value


def load_many(data: bytes) -> Iterator[Any]:
    """The elements of one array, one other value, or the values that stand one after another.

    Each value is bounded and read as loads does. Where text is not JSON, a ValueError is yielded
    in its place, and reading goes on at the next line.
    """
    try:
        value = _decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        yield from _values_in(data.decode("utf-8-sig", "replace"))
        return
    yield from map(_bounded, value if isinstance(value, list) else [value])


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
        yield value if isinstance(value, ValueError) else _bounded(value)


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
        raise ValueError(f"nested deeper than {MAX_DEPTH}") from error


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

    Walks level by level, so that the walk itself can't run out of stack.
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
            raise ValueError(f"more than {MAX_VALUES} values")
        if not level:
            return
    raise ValueError(f"nested deeper than {MAX_DEPTH}")
