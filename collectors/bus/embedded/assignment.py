"""Who reads what: a fair share for each member, with as few moves as possible."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple


class Share(NamedTuple):
    """What one member should do next."""

    release: Sequence[int]
    """Logs of its own to hand over."""
    take: Sequence[int]
    """Logs that nobody owns, to read from now on."""


def share(
    member: str, members: Collection[str], logs: Sequence[int], owners: Mapping[int, str]
) -> Share:
    """What `member` releases and takes, given the logs' owners among the live `members`.

    Everyone has the same number of logs, give or take one; those who have most keep the odd ones.
    """
    counts = Counter(dict.fromkeys(members, 0))
    counts.update(owners[log] for log in logs if owners.get(log) in counts)
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    each, odd = divmod(len(logs), len(ranked))
    due = each + (ranked.index(member) < odd)
    mine = [log for log in logs if owners.get(log) == member]
    free = [log for log in logs if log not in owners]
    return Share(release=mine[due:], take=free[: max(due - len(mine), 0)])
