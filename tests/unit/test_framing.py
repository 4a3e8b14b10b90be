"""How messages are found in a stream of syslog."""

import pytest

from collectors.sources.framing import MAX_MESSAGE, Framer, Message


def heard(*chunks: bytes) -> list[Message]:
    """Everything that the chunks hold, the connection closed after them."""
    framer = Framer()
    found = [message for chunk in chunks for message in framer.feed(chunk)]
    return found + framer.close()


@pytest.mark.parametrize(
    ("chunks", "messages"),
    [
        ([b"<1>a\n<1>b\n"], [b"<1>a", b"<1>b"]),
        ([b"<1>a\r\n\n\0\n", b"<1>b"], [b"<1>a", b"<1>b"]),
        ([b"5 <1>ab4 <1>c"], [b"<1>ab", b"<1>c"]),
        ([b"5", b" ", b"<1", b">ab\n4 <1>c\n"], [b"<1>ab", b"<1>c"]),
        ([b"7 <1>a\nb\n5 <1>cd"], [b"<1>a\nb", b"<1>cd"]),
        ([b"10 green bottles\n9 green\n"], [b"10 green bottles", b"9 green"]),
        ([b"2026-11-24 up\n"], [b"2026-11-24 up"]),
        ([b"<1>a\n5 <1>b\n"], [b"<1>a", b"5 <1>b"]),
        ([b"4 <1>a<1>b\n<1>c\n"], [b"<1>a", b"<1>b", b"<1>c"]),
        ([b"12345"], [b"12345"]),
        ([b"\n\n  \n"], []),
        ([], []),
    ],
)
def test_messages_are_found_in_either_framing(chunks: list[bytes], messages: list[bytes]) -> None:
    assert heard(*chunks) == [Message(data) for data in messages]


def test_a_counted_message_that_breaks_off_is_kept_and_marked() -> None:
    assert heard(b"4 <1>a20 <1>brok") == [Message(b"<1>a"), Message(b"<1>brok", cut=True)]


@pytest.mark.parametrize("step", [1 << 30, 4096, 65_537])
def test_an_endless_line_is_cut_once_and_the_next_is_whole(step: int) -> None:
    stream = b"<1>" + b"x" * 300_000 + b"\n<1>next\n"

    messages = heard(*(stream[at : at + step] for at in range(0, len(stream), step)))

    assert messages == [Message(stream[:MAX_MESSAGE], cut=True), Message(b"<1>next")]


@pytest.mark.parametrize("step", [1 << 30, 4096, 65_537])
def test_an_endless_counted_message_is_cut_once_and_the_next_is_whole(step: int) -> None:
    stream = b"300003 <1>" + b"x" * 300_000 + b"7 <1>next"

    messages = heard(*(stream[at : at + step] for at in range(0, len(stream), step)))

    assert messages == [Message(stream[7 : 7 + MAX_MESSAGE], cut=True), Message(b"<1>next")]


def test_a_framer_holds_no_more_than_a_message() -> None:
    framer = Framer()

    for _ in range(100):
        framer.feed(b"y" * 100_000)

    assert len(framer._held) <= MAX_MESSAGE
