"""What every store promises to those who write: each event once, in its own tenant."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collectors.bus.contract import Malformed
from tenants.store.contract import EventStore, StoredEvent, TenantStore
from tenants.store.filter import Filter
from tests.contract.store_kit import event, found, numbers
from tests.leash import leashed

ROOT = Path(__file__).parent.parent.parent


def test_an_event_written_again_is_there_once(council: TenantStore) -> None:
    first = council.write([event(1), event(2)])

    second = council.write([event(2), event(3), event(3)])

    assert (first, second) == (2, 1)
    assert numbers(found(council)) == [3, 2, 1]


@pytest.mark.parametrize("size", [1, 3, 8, 50])
def test_events_are_there_once_whatever_the_size_of_the_writes(
    council: TenantStore, size: int
) -> None:
    events = [event(number, second=number * 7 % 50) for number in range(50)]

    for _ in range(2):
        for start in range(0, 50, size):
            council.write(events[start : start + size])

    assert sorted(numbers(found(council))) == list(range(50))
    assert council.count(Filter()) == 50


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("2026-10-31T23:59:59.000000Z", "2026-11-01T00:00:01.000000Z"),
        ("2026-11-01T00:00:01.000000Z", "2026-10-31T23:59:59.000000Z"),
        ("2026-10-31T12:00:00.000000Z", "2026-11-01T11:59:00.000000Z"),
    ],
)
def test_a_retry_over_the_end_of_a_month_is_the_same_event(
    council: TenantStore, first: str, then: str
) -> None:
    council.write([event(1, received=first)])

    new = council.write([event(1, received=then), event(2, received=then)])

    assert new == 1
    assert numbers(found(council)) == [2, 1]


def test_a_tenant_finds_nothing_of_another(event_store: EventStore) -> None:
    event_store.bind("council").write([event(1)])
    event_store.bind("school").write([event(2, tenant="school")])

    assert numbers(found(event_store.bind("council"))) == [1]
    assert numbers(found(event_store.bind("school"))) == [2]
    assert event_store.bind("school").get([event(1).id]) == []
    assert event_store.bind("school").count(Filter.parse("n:1")) == 0


@pytest.mark.parametrize("tenant", ["", "../council", "Council", "a", "x" * 40, ".", "co uncil"])
def test_what_is_no_tenant_is_refused(event_store: EventStore, tenant: str) -> None:
    with pytest.raises(Malformed, match="tenant"):
        event_store.bind(tenant)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "abc"},
        {"id": "G" * 32},
        {"time": "2026-11-24 13:00"},
        {"time": "2026-13-24T13:00:00.000000Z"},
        {"received": "2026-11-24T13:00:00Z"},
        {"received": "0001-01-01T00:00:00.000000Z"},
        {"received": "9999-12-31T23:00:00.000000Z"},
        {"received": "2026-13-01T00:00:00.000000Z"},
        {"received": "../../../x-24T13:00:00.000000Z"},
        {"line": b"no JSON"},
        {"line": b"[1]"},
    ],
)
def test_what_is_no_event_is_refused_and_nothing_of_its_batch_kept(
    council: TenantStore, change: dict[str, Any]
) -> None:
    bad: StoredEvent = msgspec.structs.replace(event(2), **change)

    with pytest.raises(Malformed):
        council.write([event(1), bad])

    assert found(council) == []


def test_dropping_a_tenant_leaves_nothing_of_it_and_all_of_the_others(
    event_store: EventStore,
) -> None:
    event_store.bind("council").write([event(number) for number in range(30)])
    event_store.bind("school").write([event(1, tenant="school")])

    event_store.drop("council")
    event_store.drop("unknown")

    assert found(event_store.bind("council")) == []
    assert numbers(found(event_store.bind("school"))) == [1]


def test_a_tenant_that_comes_back_begins_anew(event_store: EventStore, store_adapter: Any) -> None:
    writer = event_store.bind("council")
    writer.write([event(1)])
    other = store_adapter.open()
    reader = other.bind("council")
    assert numbers(found(reader)) == [1]

    other.drop("council")
    new = writer.write([event(1), event(2)])

    assert new == 2
    assert numbers(found(reader)) == [2, 1]
    other.close()


def test_retention_drops_what_was_received_before_the_months_to_keep(
    event_store: EventStore,
) -> None:
    council = event_store.bind("council")
    months = ("2025-12", "2026-01", "2026-02", "2026-03")
    for number, month in enumerate(months):
        council.write([event(number, received=f"{month}-15T00:00:00.000000Z")])

    gone = event_store.enforce_retention("council", months=1, now=datetime(2026, 3, 1, tzinfo=UTC))

    assert gone == ["2025-12", "2026-01"]
    assert numbers(found(council)) == [3, 2]


WRITE_FOR_EVER = """
from tests.contract.store_kit import event
council = store.bind("council")
for start in range(0, 1_000_000, 300):
    council.write([event(number) for number in range(start, start + 300)])
    print(start + 300, flush=True)
"""


@pytest.mark.parametrize("writes", [1, 4, 9])
def test_a_writer_killed_at_work_leaves_whole_events_and_redelivery_the_rest(
    store_adapter: Any, writes: int
) -> None:
    with subprocess.Popen(
        leashed([sys.executable, "-c", store_adapter.child + WRITE_FOR_EVER]),
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as child:
        assert child.stdout is not None
        acknowledged = [int(child.stdout.readline()) for _ in range(writes)][-1]
        child.kill()
        acknowledged = [acknowledged, *map(int, child.stdout.read().split())][-1]

    store = store_adapter.open()
    council = store.bind("council")
    survived = numbers(found(council))
    council.write([event(number) for number in range(acknowledged + 500)])

    assert set(range(acknowledged)) <= set(survived)
    assert sorted(survived) == sorted(set(survived))
    assert sorted(numbers(found(council))) == list(range(acknowledged + 500))
    store.close()
