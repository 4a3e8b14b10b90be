"""What every store promises to those who search: the same as the plain reading of the filter."""

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenants.store.contract import EventStore, StoredEvent, TenantStore
from tenants.store.filter import Filter, FilterError
from tenants.store.matching import matches
from tests.contract.store_kit import event, found, numbers, pages
from tests.property.filters_and_events import fields, filters, related

AROUND = {"council": iter(range(1_000_000))}
written = st.lists(
    st.builds(
        lambda own, entities, second: (own, entities, second), fields, related, st.integers(0, 9)
    ),
    max_size=40,
)


@given(written, st.lists(filters, min_size=1, max_size=5), st.integers(1, 7))
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_search_and_count_agree_with_the_plain_reading(
    event_store: EventStore, events: Any, queries: list[Filter], limit: int
) -> None:
    tenant = f"t{next(AROUND['council'])}x"
    store = event_store.bind(tenant)
    stored = [
        event(number, own, second=second, related=entities, tenant=tenant)
        for number, (own, entities, second) in enumerate(events)
    ]
    for start in range(0, len(stored), 11):
        store.write(stored[start : start + 11])
    everything = list(store.get([one.id for one in stored]))

    for query in queries:
        wanted = sorted(_key(one) for one in everything if matches(query, one))
        got = [_key(one) for page in pages(store, query, limit) for one in page]
        assert got == wanted[::-1]
        assert store.count(query) == len(wanted)
        assert store.count(query, limit=2) == min(2, len(wanted))
    event_store.drop(tenant)


def _key(stored: dict[str, Any]) -> tuple[str, str]:
    return stored["soc"]["time"], stored["soc"]["id"]


def test_pages_are_complete_and_without_repeats_while_writes_go_on(council: TenantStore) -> None:
    before = [event(number, second=number // 3) for number in range(100)]
    council.write(before)
    meanwhile = iter([event(1000 + number, second=number * 2) for number in range(60)])

    seen: list[int] = []
    for page in pages(council, Filter(), 7):
        seen += numbers(page)
        council.write([next(meanwhile), next(meanwhile)])

    assert len(seen) == len(set(seen))
    assert set(range(100)) <= set(seen)


def test_the_newest_come_first_and_the_id_decides_between_equals(council: TenantStore) -> None:
    council.write([event(number, second=number % 4) for number in range(40)])

    keys = [_key(one) for one in found(council, limit=9)]

    assert keys == sorted(keys, reverse=True)


def test_the_last_page_says_that_it_is_the_last(council: TenantStore) -> None:
    council.write([event(number) for number in range(10)])

    sizes = [(len(page), page) for page in pages(council, Filter(), 5)]

    assert [size for size, _ in sizes] == [5, 5]


def test_a_search_for_a_part_of_a_word_goes_through_everything_page_by_page(
    council: TenantStore,
) -> None:
    events = [event(number, {"n": number, "text": f"x{number}needlex"}) for number in (3, 190)]
    council.write([event(n, {"n": n, "text": "hay"}) for n in range(200) if n not in (3, 190)])
    council.write(events)

    sizes = [len(page) for page in pages(council, Filter.parse("text:*needle*"), 50)]

    assert sum(sizes) == 2
    assert numbers(found(council, "text:*needle*")) == [190, 3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("since:2026-11-24T13:00:05", [9, 8, 7, 6, 5]),
        ("since:2026-11-24T13:00:09", [9]),
        ("until:2026-11-24T13:00:02", [1, 0]),
        ("since:2026-11-24T13:00:03 until:2026-11-24T13:00:05", [4, 3]),
        ("since:2026-11-24T13:00:07 n:3", []),
        ("since:2026-11-24T13:00:07 until:2026-11-24T13:00:01", []),
        ("until:2026-11-24T13:00:05 (n:3 or n:8)", [3]),
    ],
)
def test_since_is_within_and_until_is_not(
    council: TenantStore, text: str, expected: list[int]
) -> None:
    council.write([event(number) for number in range(10)])

    assert numbers(found(council, text)) == expected
    assert council.count(Filter.parse(text)) == len(expected)


def test_events_come_back_in_the_order_asked_for(council: TenantStore) -> None:
    events = [event(number) for number in range(20)]
    council.write(events)
    asked = [events[5].id, "f" * 32, events[19].id, "no id", events[0].id]

    got = council.get(asked)

    assert numbers(list(got)) == [5, 19, 0]
    assert council.get([]) == []


ODD = (
    b'{"text":"lone \\ud800 surrogate"}',
    b'{"text":NaN}',
    b'{"text":"nul \\u0000 inside"}',
    b'{"text":12345678901234567890123}',
    b'{"text":"' + "Kelvin \u212a, \u0130stanbul, \u03a3\u0391\u03a3".encode() + b'"}',
    b'{"text":""}',
    b'{"":{"":"x"}}',
    b'{"text":"' + b"long " * 50_000 + b'"}',
)


@pytest.mark.parametrize("line", ODD, ids=lambda line: line[:30].decode())
def test_odd_events_are_kept_and_found(council: TenantStore, line: bytes) -> None:
    usual = event(1, {})
    whole = line[:-1] + b"," + usual.line[1:]
    odd = StoredEvent(
        id=usual.id, time=usual.time, received=usual.received, source=usual.source, line=whole
    )

    council.write([odd, *(event(number) for number in range(2, 30))])

    (stored,) = council.get([odd.id])
    assert stored in found(council)
    assert matches(Filter.parse(f"id:{odd.id}"), stored)
    assert found(council, f"id:{odd.id}") == [stored]
    assert found(council, "source:DC-1 not n:*") == [stored]


def test_a_line_is_found_however_its_text_is_escaped(council: TenantStore) -> None:
    usual = event(1, {})
    line = b'{"text":"\\u0041bcd\\/ef",' + usual.line[1:]
    odd = msgspec.structs.replace(usual, line=line)

    council.write([odd, *(event(number) for number in range(2, 30))])

    assert [one["text"] for one in found(council, "text:ABCD/*")] == ["Abcd/ef"]


@pytest.mark.parametrize("after", ["", "x", "12-34", "1" * 40, "12-" + "f" * 31])
def test_a_place_that_no_page_gave_is_refused(council: TenantStore, after: str) -> None:
    council.write([event(1)])

    with pytest.raises(FilterError, match="after"):
        council.search(Filter(), after=after)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_bounds(council: TenantStore, limit: int) -> None:
    with pytest.raises(ValueError, match="limit"):
        council.search(Filter(), limit=limit)


def test_a_tenant_without_events_has_an_empty_page(council: TenantStore) -> None:
    page = council.search(Filter.parse("whoami"))

    assert list(page.events) == []
    assert page.after is None


def test_another_opener_sees_what_is_written_at_once(
    council: TenantStore, store_adapter: Any
) -> None:
    with contextlib.closing(store_adapter.open()) as other:
        reader = other.bind("council")

        for number in range(25):
            council.write([event(number)])

            assert numbers(found(reader))[0] == number
