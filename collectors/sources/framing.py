"""Finds the messages in a TCP stream of syslog (RFC 6587): counted octets or lines."""

import re
from typing import NamedTuple

MAX_MESSAGE = 64 * 1024
"""Bytes kept of one message; the rest is cut off and the message marked."""
COUNT = re.compile(rb"([1-9][0-9]{0,8}) ")
COUNT_BEGUN = re.compile(rb"[1-9][0-9]{0,8} ?\Z")


class Message(NamedTuple):
    """One message without its frame."""

    data: bytes
    cut: bool = False
    """Whether some of it is missing: too long, or the connection closed within it."""


class Framer:
    """The state of one connection; its first message decides between the two framings."""

    def __init__(self) -> None:
        self._held = b""
        self._counted: bool | None = None
        self._skip_bytes = 0
        self._skip_line = False

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete with `data`."""
        self._held += data
        messages: list[Message] = []
        if self._counted is None:
            self._decide()
        if self._counted:
            self._take_counted(messages)
        elif self._counted is False:
            self._take_lines(messages)
        return messages

    def close(self) -> list[Message]:
        """What was begun when the stream ended; a line without its end is a whole message."""
        held, self._held = self._held, b""
        if self._skip_line or self._skip_bytes or not held:
            return []
        count = COUNT.match(held) if self._counted else None
        return _messages(held[count.end() :] if count else held, cut=count is not None)

    def _decide(self) -> None:
        """Counted octets stand before a `<`; without it a leading number belongs to a line."""
        self._held = self._held.lstrip(b"\r\n\0")
        if not self._held or COUNT_BEGUN.match(self._held):
            return
        count = COUNT.match(self._held)
        self._counted = count is not None and self._held[count.end() : count.end() + 1] == b"<"

    def _take_counted(self, messages: list[Message]) -> None:
        held, at = self._held, 0
        while True:
            at += self._skipped(len(held) - at)
            while held[at : at + 1] in (b"\n", b"\r", b"\0"):
                at += 1
            count = COUNT.match(held, at)
            if count is None:
                break
            begin, size = count.end(), int(count[1])
            kept = min(size, MAX_MESSAGE)
            if len(held) - begin < kept:
                break
            messages += _messages(held[begin : begin + kept], cut=size > kept)
            self._skip_bytes = size - kept
            at = begin + kept
        self._held = held[at:]
        if self._held and not COUNT.match(self._held) and not COUNT_BEGUN.match(self._held):
            self._counted = False
            self._take_lines(messages)

    def _skipped(self, available: int) -> int:
        skipped = min(self._skip_bytes, available)
        self._skip_bytes -= skipped
        return skipped

    def _take_lines(self, messages: list[Message]) -> None:
        *lines, rest = self._held.split(b"\n")
        for line in lines:
            if self._skip_line:
                self._skip_line = False
                continue
            messages += _messages(line[:MAX_MESSAGE], cut=len(line) > MAX_MESSAGE)
        if self._skip_line:
            rest = b""
        elif len(rest) > MAX_MESSAGE:
            messages += _messages(rest[:MAX_MESSAGE], cut=True)
            rest, self._skip_line = b"", True
        self._held = rest


def _messages(data: bytes, *, cut: bool) -> list[Message]:
    """The message without line ends and zeros around it; none if nothing is left."""
    data = data.strip(b"\r\n\0")
    return [Message(data, cut)] if data and not data.isspace() else []
