"""Modifiers whose values seldom hold by chance, with values made so that they do or nearly do."""

import base64
import ipaddress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.property.naive_sigma import matches
from tests.property.test_engine_agrees_with_oracle import (
    LOGSOURCE,
    ONE_OR_MORE,
    engine_of,
    no_stored_databases,
    quick,
    rule_of,
)

__all__ = ["no_stored_databases"]

ENCODINGS = {
    "wide": "utf-16-le",
    "utf16le": "utf-16-le",
    "utf16be": "utf-16-be",
    "utf16": "utf-16-le",
}
PLAIN = st.text(st.sampled_from("aAbBk1 -é\u212a\u20ac\U0001f600"), min_size=1, max_size=6)
BYTES = st.binary(max_size=4)
Fields = list[dict[str, Any]]


def agree(
    key: str,
    values: Any,
    events: Fields,
    lists: dict[str, list[str]] | None = None,
    condition: str = "sel",
) -> None:
    """Engine and oracle say the same of one line of a rule, twice: also from memory."""
    document = rule_of({"sel": {key: values}, "condition": condition})
    engine = engine_of(document, lists=lists)

    found = [bool(engine.match(event, [LOGSOURCE])) for event in events * 2]

    assert found == [matches(document, event, lists) for event in events] * 2


@quick(150)
@given(
    st.sampled_from(["", "contains", "startswith", "endswith", "cased", "contains|cased"]),
    st.sampled_from(sorted(ENCODINGS)),
    st.lists(PLAIN, **ONE_OR_MORE),
    st.lists(st.tuples(BYTES, BYTES, st.booleans()), min_size=2, max_size=3),
)
def test_encoded_texts(
    how: str, encoding: str, texts: list[str], around: list[tuple[bytes, bytes, bool]]
) -> None:
    encoded = [text.encode(ENCODINGS[encoding]) for text in texts]
    marks = [b"", b"\xff\xfe", b"\xfe\xff"]
    events = [
        {
            "f": (before + mark + data + after).decode("latin-1").swapcase()
            if swapped
            else (before + mark + data + after).decode("latin-1")
        }
        for before, after, swapped in [*around, (b"", b"", False)]
        for data in encoded
        for mark in marks
    ]

    agree("|".join(filter(None, ("f", encoding, how))), texts, events)


@quick(250)
@given(
    st.sampled_from(["base64", "base64|contains", "base64offset|contains", "base64offset"]),
    st.sampled_from(["", *sorted(ENCODINGS)]),
    st.lists(PLAIN, **ONE_OR_MORE),
    st.lists(st.tuples(BYTES, BYTES), min_size=2, max_size=4),
)
def test_texts_in_base64(
    how: str, encoding: str, texts: list[str], around: list[tuple[bytes, bytes]]
) -> None:
    mark = b"\xff\xfe" if encoding == "utf16" else b""
    data = [mark + text.encode(ENCODINGS.get(encoding, "utf-8")) for text in texts]
    whole = [b"", *(before + each + after for before, after in around for each in data), *data]
    events = [{"f": base64.b64encode(each).decode()} for each in whole]

    agree("|".join(filter(None, ("f", encoding, how))), texts, events)


DASHES = st.text(st.sampled_from("--//\u2013\u2014\u2015 aB1"), min_size=1, max_size=7)


@quick(250)
@given(
    st.sampled_from(["windash", "windash|contains", "contains|windash", "windash|contains|all"]),
    st.lists(DASHES.filter(lambda text: sum(map(text.count, "-/")) <= 3), **ONE_OR_MORE),
    st.lists(DASHES, min_size=2, max_size=4),
    st.lists(st.sampled_from("-/\u2013\u2014\u2015"), min_size=3, max_size=3),
)
def test_dashes_of_any_kind(
    how: str, values: list[str], texts: list[str], dashes: list[str]
) -> None:
    changed = [text.replace("-", dash).replace("/", dash) for text in values for dash in dashes]

    agree(f"f|{how}", values, [{"f": text} for text in [*texts, *values, *changed]])


@st.composite
def networks(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A network, and addresses at and beyond its ends."""
    version, width = draw(st.sampled_from([(4, 32), (6, 128)]))
    kind = ipaddress.IPv4Network if version == 4 else ipaddress.IPv6Network
    number, prefix = draw(st.integers(0, 2**width - 1)), draw(st.integers(0, width))
    network = kind((number, prefix), strict=False)
    first, last = int(network.network_address), int(network.broadcast_address)
    address = type(network.network_address)
    near = [each for each in (first - 1, first, last, last + 1, number) if 0 <= each < 2**width]
    texts = [str(address(each)) for each in near]
    if version == 4:
        texts += [f"::ffff:{text}" for text in texts]
    else:
        texts += [address(each).exploded.upper() for each in near]
    return str(network), texts


@quick(300)
@given(st.lists(networks(), **ONE_OR_MORE), st.sampled_from(["cidr", "cidr|neq", "cidr|all"]))
def test_networks(made: list[tuple[str, list[str]]], how: str) -> None:
    odd = ["10.0.0", "10.0.0.0/8", " 10.0.0.1", "010.0.0.1", "fe80::1%eth0", "", "10.1.2.3.4"]
    texts = [text for _, near in made for text in near] + odd

    events = [{"f": text} for text in texts] + [{"f": texts[:3]}, {"f": 167772161}, {"f": None}, {}]
    agree(f"f|{how}", [network for network, _ in made], events)


@quick(400)
@given(
    st.sampled_from(["lt", "lte", "gt", "gte", "neq"]),
    st.one_of(st.integers(-20, 20), st.floats(-20, 20).map(lambda number: round(number, 2))),
    st.lists(st.integers(-21, 21), min_size=2, max_size=4),
)
def test_numbers(how: str, limit: float, others: list[int]) -> None:
    near = [limit, limit + 1, limit - 1, limit + 0.5, -limit, str(limit), f"{limit}0", f"+{limit}"]
    odd = ["", "1e1", "1e400", "0x10", "\u0661", "1_0", " 1", True, False, None, {}, [1, "20", {}]]
    odd += [10**30, 1e300, float("inf"), float("nan"), "nan", "-0", "01"]

    agree(f"f|{how}", limit, [{"f": each} for each in [*near, *others, *odd]] + [{}])


WHOLE = st.sampled_from([2**53, 10**17, 2**63, 2**64, 10**25, 10**60]).flatmap(
    lambda about: st.integers(about - 3, about + 3)
)


@quick(150)
@given(
    st.sampled_from(["f", "f|lt", "f|lte", "f|gt", "f|gte", "f|neq"]),
    WHOLE,
    st.sampled_from([1, -1]),
)
def test_whole_numbers_keep_all_their_digits(key: str, size: int, sign: int) -> None:
    asked = sign * size
    near = [asked + step for step in range(-3, 4)]
    values = [*near, *map(str, near), *map(float, near), f"{asked}.0", f"+{asked}", -asked, near]

    agree(key, asked, [{"f": each} for each in values])


PARTS = {"minute": 60, "hour": 24, "day": 32, "week": 54, "month": 13, "year": 2100}


@quick(200)
@given(
    st.sampled_from(sorted(PARTS)),
    st.datetimes(datetime(1971, 1, 1), datetime(2099, 12, 30)),  # noqa: DTZ001 - zone is added
    st.integers(-840, 840),
    st.integers(0, 2100),
)
def test_parts_of_times(part: str, naive: datetime, offset: int, other: int) -> None:
    moment = naive.replace(tzinfo=UTC, microsecond=0)
    local = moment.astimezone(timezone(timedelta(minutes=offset))).isoformat()
    seconds = int(moment.timestamp())
    times = [
        *(moment.isoformat(), moment.isoformat().replace("+00:00", "Z"), naive.isoformat(), local),
        *(seconds, str(seconds), seconds * 1000, seconds * 1_000_000, seconds + 0.5),
        *(str(naive), str(naive.date()), "yesterday", "", None, True, 10**30, "1e300"),
    ]
    iso_week = moment.isocalendar().week
    own = {"week": iso_week}.get(part) or getattr(moment, part, None)

    for value in (own, other % PARTS[part]):
        agree(f"f|{part}", value, [{"f": time} for time in times])


NAMES = st.sampled_from(["%one%", "%two%", "a%one%", "%one%b", "%one%-%two%", "plain", "%none%"])
CONTENTS = st.lists(st.sampled_from(["a", "B", "a*", "?b", "k", "\u212a", ""]), max_size=3)


@quick(150)
@given(
    st.lists(NAMES, **ONE_OR_MORE),
    CONTENTS,
    CONTENTS,
    st.sampled_from(["expand", "expand|contains", "contains|expand", "expand|endswith"]),
    st.sampled_from(["sel", "not sel"]),
)
def test_lists_in_the_place_of_their_names(
    values: list[str], one: list[str], two: list[str], how: str, condition: str
) -> None:
    texts = [
        "",
        "a",
        "b",
        "ab",
        "aab",
        "xb",
        "K",
        "a-b",
        "a-k",
        "plain",
        "%one%",
        "%none%",
        "xa-Bx",
    ]

    events = [{"f": text} for text in texts]
    agree(f"f|{how}", values, events, {"one": one, "two": two}, condition)


@pytest.mark.parametrize(
    ("key", "text", "content"),
    [
        (
            "f|utf16|base64offset|contains",
            "ping",
            base64.b64encode(b"\xff\xfep\0i\0n\0g\0").decode(),
        ),
        ("f|base64offset|contains", "é", base64.b64encode("xé!".encode()).decode()),
        ("f|utf16le|base64", "é€", base64.b64encode("é€".encode("utf-16-le")).decode()),
        ("f|base64", r"a\*b\?", base64.b64encode(b"a*b?").decode()),
        ("f|wide|contains", "é", "x\xe9\0"),
    ],
)
def test_encodings_are_of_bytes(key: str, text: str, content: str) -> None:
    document = rule_of({"sel": {key: text}, "condition": "sel"})

    assert engine_of(document).match({"f": content}, [LOGSOURCE])
    assert matches(document, {"f": content})
