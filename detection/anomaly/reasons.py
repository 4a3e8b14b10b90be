"""Why a window is unusual, one plain sentence a view, from what its score is made of."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import msgspec

from detection.anomaly.features import Evidence, Measured
from detection.anomaly.profile import Profile
from detection.anomaly.views import View
from detection.anomaly.window import Behaviour

NAMED: Final = 3
"""Values that a sentence names."""


class Whose(StrEnum):
    """Whose windows one is compared with."""

    OWN = "of this tenant's windows"
    OTHERS = "ordinary windows of other organisations"


class Reason(msgspec.Struct, frozen=True):
    """What one view saw."""

    view: View
    text: str
    facet: str = ""
    value: str = ""
    """The value that says most, and its facet."""
    rarity: int = 1
    """1 in so many of the windows that it was compared with is as unusual."""
    holders: int = 0
    """Of `peers` other entities, those that have shown the value too."""
    peers: int = 0
    first: str = ""
    """When the tenant showed it first; empty where it never had."""


def reason(
    view: View,
    done: Behaviour,
    measured: Measured,
    profile: Profile,
    p: float,
    windows: int,
    whose: Whose = Whose.OWN,
) -> Reason:
    """The sentence of one view, and the value that it names first."""
    rarity = max(1, min(windows, round(1.0 / p)))
    top = _top(view, measured.evidence)
    seen = _seen(view, done, top, profile)
    rare = f"as unusual as 1 in {rarity:,} {whose}"
    if rarity == windows:
        rare = f"more unusual than any of {windows:,} {whose}"
    if not top:
        return Reason(view, f"{seen}; {rare}", rarity=rarity, peers=measured.peers)
    best = top[0]
    first = _moment(best.first) if best.first else ""
    since = f"seen here since {first}" if first else "never seen in this organisation before"
    return Reason(
        view,
        f"{seen}; {round(best.holders):,} of {measured.peers:,} others show it, {since}; {rare}",
        profile.facets[best.facet].name,
        best.value,
        rarity,
        round(best.holders),
        measured.peers,
        first,
    )


def keys(view: View, measured: Measured) -> frozenset[str]:
    """What makes a reason the same reason again: the view, and the values that it names."""
    named = _top(view, measured.evidence)
    return frozenset(f"{view} {each.facet} {each.value}" for each in named) or frozenset({view})


def _top(view: View, evidence: Sequence[Evidence]) -> list[Evidence]:
    """The values that weigh most in the view; none in those of numbers."""
    if view == "novelty":
        found = [each for each in evidence if each.mine == 0.0]
        found.sort(key=lambda each: (-each.own - each.all, each.facet, each.value))
    elif view == "population":
        found = [each for each in evidence if each.lone > 0.0]
        found.sort(key=lambda each: (-each.lone, each.facet, each.value))
    elif view == "volume":
        return []
    else:
        found = sorted(evidence, key=lambda each: (each.all - each.own, each.facet, each.value))
    return found[:NAMED]


def _seen(view: View, done: Behaviour, top: Sequence[Evidence], profile: Profile) -> str:
    named = ", ".join(f"{profile.facets[each.facet].name} {_quoted(each.value)}" for each in top)
    if view == "novelty":
        return f"{done.entity} showed what it had never shown: {named}"
    if view == "population":
        return f"{done.entity} keeps to what hardly any other shows: {named}"
    if view == "identity":
        return f"{done.entity} behaved less like itself than like others: {named}"
    if view == "volume":
        return f"{done.entity} had {done.events:,.0f} events, unusual for it or for the hour"
    return f"{done.entity} combined what is seldom combined: {named}"


def _quoted(value: str) -> str:
    """As it was sent, what can't be printed aside."""
    if not value.isprintable():
        value = "".join(each if each.isprintable() else "\ufffd" for each in value)
    return f"“{value}”"


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
