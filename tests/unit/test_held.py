"""How much of what is under way fits into memory."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from collectors.bus.contract import Overloaded
from collectors.sources.held import Held


def test_one_tenant_has_half_at_most_and_the_others_still_fit() -> None:
    held = Held(limit=100)
    greedy, modest = held.share("bank"), held.share("school")
    greedy.take(50)

    with pytest.raises(Overloaded):
        greedy.take(1)
    modest.take(50)


def test_several_requests_of_a_tenant_count_together() -> None:
    held = Held(limit=100)
    held.share("bank").take(30)

    with pytest.raises(Overloaded):
        held.share("bank").take(21)


def test_all_tenants_together_are_bounded() -> None:
    held = Held(limit=100)
    for tenant in ("bank", "school"):
        held.share(tenant).take(45)

    with pytest.raises(Overloaded):
        held.share("museum").take(11)


def test_what_was_given_back_can_be_taken_again() -> None:
    held = Held(limit=100)
    for _ in range(10):
        share = held.share("bank")
        share.take(20)
        share.take(30)
        with pytest.raises(Overloaded):
            share.take(1)
        share.release()
        share.release()

    held.share("school").take(50)


def test_threads_do_not_lose_count() -> None:
    held = Held(limit=1 << 40)

    def use(_: int) -> None:
        for _ in range(2_000):
            share = held.share("bank")
            share.take(3)
            share.release()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))

    assert held._total == 0
    assert held._tenants == {}
