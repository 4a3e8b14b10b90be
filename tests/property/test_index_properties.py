"""Neither index nor screen leaves out an answer, whatever the filter and the events."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors import codec
from tenants.store import blocks
from tenants.store.blocks import Entry, Key
from tenants.store.filter import Filter
from tenants.store.index import narrowing, tokens
from tenants.store.matching import holds
from tenants.store.screen import may_hold, needles
from tenants.store.slice import TOKENS
from tests.property.filters_and_events import fields, related, terms, texts

events = st.lists(st.tuples(fields, related, st.none() | texts), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        opened.execute(TOKENS)
        yield opened


def let_in(database: sqlite3.Connection, block: str, asked: str) -> bool:
    database.execute("BEGIN")
    database.execute("INSERT INTO tokens (rowid, token) VALUES (1, ?)", (block,))
    found = database.execute("SELECT 1 FROM tokens WHERE tokens MATCH ?", (asked,)).fetchone()
    database.execute("ROLLBACK")
    return found is not None


def entry(own: dict[str, Any], entities: dict[str, Any], original: str | None) -> Entry:
    soc = {"id": "f" * 32, "source": "ab", "marks": ["AB"], "related": entities}
    if original is not None:
        soc["original"] = original
    return blocks.entry(Key(0, b""), codec.dumps({**own, "soc": soc}))


@given(st.lists(terms, min_size=1, max_size=3), events, st.sampled_from((" and ", " or ")))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_block_with_an_answer_is_let_in(
    database: sqlite3.Connection, some: Any, within: Any, joined: str
) -> None:
    node = Filter.parse(joined.join(map(str, some))).expression
    block = [entry(*one) for one in within]

    asked = narrowing(node)
    answers = [one.line for one in block if holds(node, {**one.fields, "soc": one.soc})]

    if answers and asked is not None:
        assert let_in(database, tokens(block), asked)
    assert all(may_hold(line, needles(node)) for line in answers)


@pytest.mark.parametrize(
    "text",
    [
        "Image:other",
        "Image:*\\\\other.exe",
        "Image:oth* or b:*",
        "other",
        "oth*",
        "user:* and Image:*",
        "b >= 3",
        "host:other",
        "Image:*.dll",
    ],
)
def test_a_block_without_an_answer_is_left_out(database: sqlite3.Connection, text: str) -> None:
    block = [entry({"Image": "c:\\whoami.exe", "n": 1}, {"host": ["ws-1"]}, None)]

    asked = narrowing(Filter.parse(text).expression)

    assert asked is not None
    assert not let_in(database, tokens(block), asked)


@pytest.mark.parametrize(
    "text",
    [
        "Image:c:\\\\who*",
        "Image:*ami.exe",
        "Image:*am?.exe",
        "Image:*\\\\whoami.*",
        "failed",
        '"failed pass*"',
        "who*",
        "*ami",
        "host:ws*",
        "source:AB mark:ab",
        "n > 0",
        "deep.er:yes",
    ],
)
def test_a_block_with_just_this_answer_is_let_in(database: sqlite3.Connection, text: str) -> None:
    fields = {"Image": "c:\\whoami.exe", "n": 1, "deep": [{"er": "yes"}]}
    block = [entry(fields, {"host": ["ws-1"]}, "Failed password")]
    node = Filter.parse(text).expression

    assert node is not None
    assert holds(node, {**block[0].fields, "soc": block[0].soc})
    assert let_in(database, tokens(block), narrowing(node) or "ab")


@pytest.mark.parametrize("text", ["a:1", "a:true", "a:1.0", "b:0 or c:x", "a:TRUE and a:1"])
def test_values_that_python_thinks_equal_are_each_known(
    database: sqlite3.Connection, text: str
) -> None:
    block = [entry({"a": value}, {}, None) for value in (1, True, 1.0)]

    asked = narrowing(Filter.parse(text).expression)

    assert asked is not None
    assert let_in(database, tokens(block), asked) == text.startswith("a")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a:KLMN", "\u212aLMN"),
        ("a:*pqI*", "pq\u0130"),
        ("a:*1000*", 1e3),
        ("a:C:\\\\Users", "c:\\users"),
        ("a:say*", 'say "it"'),
        ("a:Infinity", "Infinity"),
        ("a:1234567890123456789012", 1234567890123456789012),
        ("caf\u00e9", "un caf\u00e9 \ud800"),
        ("a:tab\tin", "tab\tin"),
        ("a:1e16", 1e16),
    ],
)
def test_an_answer_is_screened_in_however_it_is_written(text: str, value: object) -> None:
    one = entry({"a": value, "lenient": "\ud800"}, {}, None)
    node = Filter.parse(text.replace("tab\tin", '"tab\tin"')).expression

    assert node is not None
    assert holds(node, one.fields)
    assert may_hold(one.line, needles(node))


@pytest.mark.parametrize("text", ["not Image:x", "*x*", "id:x", "Image:x or not b:y"])
def test_what_the_index_knows_nothing_of_is_not_asked(text: str) -> None:
    assert narrowing(Filter.parse(text).expression) is None


def test_as_many_terms_as_a_filter_may_have_are_asked_at_once(
    database: sqlite3.Connection,
) -> None:
    block = [entry({"n": 499}, {}, None)]
    either = " or ".join(f"n:{number}" for number in range(500))
    each = " and ".join(["n:499"] * 500)

    for text in (either, each):
        asked = narrowing(Filter.parse(text).expression)
        assert asked is not None
        assert let_in(database, tokens(block), asked)
