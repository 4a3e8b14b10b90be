"""Members that each see only the file end up with fair, disjoint and lasting shares."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from collectors.bus.embedded.assignment import share


def step(member: str, members: set[str], logs: list[int], owners: dict[int, str]) -> bool:
    """One member does what it is due; whether it did anything."""
    due = share(member, members, logs, owners)
    for log in due.release:
        assert owners.pop(log) == member
    for log in due.take:
        assert owners.setdefault(log, member) == member
    return bool(due.release or due.take)


def round_of(members: Iterable[str], logs: list[int], owners: dict[int, str]) -> int:
    """Everyone has a turn; how many of them did anything."""
    names = list(members)
    return sum(step(member, set(names), logs, owners) for member in names)


@given(
    logs=st.integers(0, 30),
    members=st.sets(st.text("abcdef", min_size=1, max_size=2), min_size=1, max_size=8),
    data=st.data(),
)
def test_shares_become_fair_from_any_beginning_and_then_stay(
    logs: int, members: set[str], data: st.DataObject
) -> None:
    every = list(range(logs))
    somebody = st.none() | st.sampled_from(sorted(members))
    beginning = data.draw(st.lists(somebody, min_size=logs, max_size=logs))
    owners = {log: owner for log, owner in enumerate(beginning) if owner is not None}
    order = data.draw(st.permutations(sorted(members)))

    rounds = 0
    while round_of(order, every, owners):
        rounds += 1
        assert rounds < 10

    counts = [list(owners.values()).count(member) for member in members]
    assert set(owners) == set(every)
    assert max(counts) - min(counts) <= 1


@given(logs=st.integers(1, 30), members=st.integers(1, 6))
def test_a_newcomer_moves_no_more_than_its_own_share(logs: int, members: int) -> None:
    every = list(range(logs))
    names = [f"m{number}" for number in range(members)]
    owners: dict[int, str] = {}
    while round_of(names, every, owners):
        pass
    before = dict(owners)

    names.append("newcomer")
    while round_of(names, every, owners):
        pass

    moved = [log for log in every if owners[log] != before[log]]
    assert all(owners[log] == "newcomer" for log in moved)
    assert len(moved) <= -(-logs // len(names))
