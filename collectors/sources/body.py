"""Takes the body of a request apart into the events that its sender meant."""

import json
import re
import zlib
from collections.abc import Iterator, Sequence

import msgspec

from collectors.bus.contract import Malformed
from collectors.codec import loads
from collectors.intake import MAX_EVENT, Line
from collectors.wrapping import NOT_UNPACKED, unpacked, wraps

GZIP_MAGIC = b"\x1f\x8b"
UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
XML_START = re.compile(rb"\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?:<Events[^>]{0,200}>\s*)?<Event[\s>]")
XML_FRAME = re.compile(rb"\s*(?:<\?xml[^>]*\?>\s*)?(?:<Events[^>]*>\s*)?(?:</Events>\s*)?")
XML_EVENT = re.compile(rb"<Event[\s>]")
XML_END = b"</Event>"
ARRAY_START = re.compile(rb"\s*\[\s*[\[{\]\"]")
MAX_MEMBERS = 10_000
CHUNK = 16 * 1024
SLICE = 1 << 20

JSON_SPACE = re.compile(r"[ \t\r\n]*")

_elements = msgspec.json.Decoder(list[msgspec.Raw])
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_lenient = json.JSONDecoder(strict=False)


class TooLarge(Malformed):
    """More than a door takes; the message says what, how much and what to do."""


def inflate(data: bytes, limit: int) -> bytes:
    """Undo gzip, several members too; raises Malformed if broken, TooLarge beyond `limit` bytes.

    Never holds more than `limit` and one slice, however well `data` compresses.
    """
    parts: list[bytes] = []
    size = 0
    for part in _inflated(memoryview(data)):
        size += len(part)
        if size > limit:
            raise TooLarge(f"more than {limit:,} bytes once decompressed")
        parts.append(part)
    return b"".join(parts)


def _inflated(data: memoryview) -> Iterator[bytes]:
    """Slices of the content, member by member; zeros may pad the end, as tapes do."""
    for _ in range(MAX_MEMBERS):
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            chunk = data[:CHUNK]
            try:
                part = member.decompress(chunk, SLICE)
            except zlib.error as error:
                raise Malformed(f"the gzip body is broken: {error}") from error
            data = data[len(chunk) - len(member.unconsumed_tail) - len(member.unused_data) :]
            if not part and not data and not member.eof:
                raise Malformed("the gzip body ends before its time")
            yield part
        if not data or not any(data[:CHUNK]):
            return
    raise TooLarge(f"more than {MAX_MEMBERS:,} gzip members")


def split(body: bytes, *, plain: bool = False, declared_json: bool = False) -> Sequence[Line]:
    """The events of a body: elements of a JSON array, one JSON object, Windows XML, or lines.

    Objects that only wrap events are taken apart; then all events are numbered as they come.

    `plain` takes lines whatever they look like; `declared_json` holds a body that begins with `[`
    to be an array. Raises Malformed for a broken array, TooLarge for an event over MAX_EVENT.
    """
    body = _as_utf8(body)
    lines = list(_split(body, plain=plain, declared_json=declared_json))
    if not plain and any(wraps(line.data) for line in lines):
        events = (each for line in lines for each in _unwrapped(line))
        lines = [line._replace(number=number) for number, line in enumerate(events, start=1)]
    for line in lines:
        if len(line.data) > MAX_EVENT:
            raise TooLarge(f"event {line.number} has {len(line.data):,} bytes, {MAX_EVENT:,} go in")
    return lines


def _split(body: bytes, *, plain: bool, declared_json: bool) -> Iterator[Line]:
    if plain:
        return _lines(body)
    if ARRAY_START.match(body) or (declared_json and body.lstrip()[:1] == b"["):
        return _array(body)
    if _is_one_object(body):
        return iter((Line(1, body.strip(), "json"),))
    if XML_START.match(body):
        return _xml(body)
    return _lines(body)


def _unwrapped(line: Line) -> Iterator[Line]:
    if not wraps(line.data):
        yield line
        return
    elements = unpacked(line.data)
    yield from (Line(0, data, "json") for data in elements)
    if not elements:
        yield line._replace(marks=(*line.marks, NOT_UNPACKED))


def _as_utf8(body: bytes) -> bytes:
    """Windows tools write UTF-16 or put a mark in front; everything behind here is UTF-8."""
    if body.startswith(UTF16_MARKS):
        return body.decode("utf-16", "replace").encode("utf-8", "replace")
    return body.removeprefix(UTF8_MARK)


def _lines(body: bytes) -> Iterator[Line]:
    for number, data in enumerate(body.split(b"\n"), start=1):
        if not data.isspace() and data:
            yield Line(number, data.rstrip(b"\r"))


def _array(body: bytes) -> Iterator[Line]:
    if not body.isascii():
        body = body.decode("utf-8", "replace").encode("utf-8")
    try:
        elements = [bytes(raw) for raw in _elements.decode(body)]
    except (msgspec.DecodeError, RecursionError):
        elements = list(_lenient_elements(body.decode("utf-8")))
    for number, data in enumerate(elements, start=1):
        if data.startswith(b'"'):
            yield Line(number, str(loads(data)).encode("utf-8", "surrogatepass"))
        else:
            yield Line(number, data, "json" if data.startswith(b"{") else "")


def _lenient_elements(text: str) -> Iterator[bytes]:
    """An array's elements where the strict decoder refuses one: NaN, a lone surrogate, depth."""
    position = _after_space(text, text.index("[") + 1)
    closed = text[position : position + 1] == "]"
    while not closed:
        try:
            _, end = _lenient.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            raise Malformed(f"the body begins as a JSON array and is broken: {error}") from error
        yield text[position:end].encode("utf-8")
        position = _after_space(text, end)
        closed = text[position : position + 1] == "]"
        if not closed:
            if text[position : position + 1] != ",":
                raise Malformed(f"the JSON array is broken: no , or ] at character {position + 1}")
            position = _after_space(text, position + 1)
    if _after_space(text, position + 1) != len(text):
        raise Malformed(f"something stands behind the JSON array, at character {position + 2}")


def _after_space(text: str, position: int) -> int:
    found = JSON_SPACE.match(text, position)
    return found.end() if found else position


def _is_one_object(body: bytes) -> bool:
    """Whether the body is one JSON object over several lines; NDJSON is not."""
    text = body.strip()
    if not (text.startswith(b"{") and text.endswith(b"}") and b"\n" in text):
        return False
    return not _is_object(text[: text.index(b"\n")]) and _is_object(text)


def _is_object(text: bytes) -> bool:
    try:
        _object.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    else:
        return True
    try:
        return isinstance(loads(text), dict)
    except ValueError:
        return False


def _xml(body: bytes) -> Iterator[Line]:
    """Windows events may hold line ends in their text, so they are told apart by their end tag."""
    number, done = 1, 0
    while done < len(body):
        end = body.find(XML_END, done)
        end = len(body) if end < 0 else end + len(XML_END)
        part = body[done:end]
        begin = XML_EVENT.search(part)
        at = begin.start() if begin else len(part)
        for piece in (part[:at], part[at:]):
            if not XML_FRAME.fullmatch(piece):
                before = len(piece) - len(piece.lstrip())
                yield Line(number + piece[:before].count(b"\n"), piece.strip())
            number += piece.count(b"\n")
        done = end
