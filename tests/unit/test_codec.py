"""JSON of outsiders: lenient enough that nothing slips past, bounded so that nothing chokes."""

import pytest

from collectors import codec


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a":1}', {"a": 1}),
        (b'{"a":"\\ud800"}', {"a": "\ud800"}),
        (b'{"a":NaN,"b":Infinity,"c":-Infinity}', {"a": "NaN", "b": "Infinity", "c": "-Infinity"}),
        (b'{"a":1e999,"b":-1e999}', {"a": "Infinity", "b": "-Infinity"}),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
        (b'{"a":' + b"9" * 5000 + b"}", {"a": "9" * 5000}),
        (b'{"a":"caf\xe9"}', {"a": "caf�"}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b'{"a":"one\ttab"}', {"a": "one\ttab"}),
    ],
)
def test_what_the_fast_decoder_refuses_is_read_all_the_same(text: bytes, value: object) -> None:
    assert codec.loads(text) == value


@pytest.mark.parametrize("text", [b"", b"{", b"{'a':1}", b"hello", b'{"a":1} {"b":2}', b"[1,]"])
def test_what_is_not_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        codec.loads(text)


@pytest.mark.parametrize("depth", [codec.MAX_DEPTH + 1, 2_000, 500_000])
def test_nesting_beyond_the_bound_is_refused(depth: int) -> None:
    with pytest.raises(ValueError, match="nested deeper than 64"):
        codec.loads(b"[" * depth + b"]" * depth)


def test_nesting_up_to_the_bound_is_read() -> None:
    text = b"[" * codec.MAX_DEPTH + b"]" * codec.MAX_DEPTH

    value = codec.loads(text)

    assert codec.dumps(value) == text


def test_more_values_than_the_bound_are_refused() -> None:
    fitting = b"[" + b",".join([b"1"] * codec.MAX_VALUES) + b"]"

    assert len(codec.loads(fitting)) == codec.MAX_VALUES
    with pytest.raises(ValueError, match="more than 10000 values"):
        codec.loads(fitting[:-1] + b",1]")


def test_a_lone_surrogate_is_written_as_the_escape_that_it_came_as() -> None:
    assert codec.dumps({"a": "\ud800"}) == b'{"a":"\\ud800"}'


def test_an_integer_keeps_every_digit() -> None:
    text = b'{"a":123456789012345678901234567890}'

    assert codec.dumps(codec.loads(text)) == text


def test_what_json_cannot_say_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="expected strings, numbers, lists and objects"):
        codec.dumps({"a": "\ud800", "b": object()})


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (b'{"a":1}', [{"a": 1}]),
        (b'[{"a":1},{"b":2}]', [{"a": 1}, {"b": 2}]),
        (b'[{"a":NaN},{"b":2}]', [{"a": "NaN"}, {"b": 2}]),
        (b'{"a":1}{"b":2}\n\n{"c":3}', [{"a": 1}, {"b": 2}, {"c": 3}]),
        (b"[1] [2]", [[1], [2]]),
        (b"  \n", []),
    ],
)
def test_a_document_is_one_value_an_array_or_values_one_after_another(
    text: bytes, values: list[object]
) -> None:
    assert list(codec.load_many(text)) == values


def test_text_that_is_no_json_is_counted_and_the_next_line_read() -> None:
    values = list(codec.load_many(b'{"a":1}\nnonsense\n{"b":2}\n'))

    assert values[0] == {"a": 1}
    assert isinstance(values[1], ValueError)
    assert values[2] == {"b": 2}


def test_one_element_out_of_bounds_spoils_no_other() -> None:
    deep = b"[" * 70 + b"]" * 70

    first, second, third = codec.load_many(b'[{"a":1},' + deep + b',{"b":2}]')

    assert (first, third) == ({"a": 1}, {"b": 2})
    assert isinstance(second, ValueError)
