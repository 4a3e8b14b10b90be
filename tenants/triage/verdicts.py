"""What people may say of an item, and the one table of what that does to the next repeat."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """What an item turned out to be."""

    TRUE_POSITIVE = "true_positive"
    BENIGN_TRUE_POSITIVE = "benign_true_positive"
    FALSE_POSITIVE = "false_positive"
    UNDETERMINED = "undetermined"


class Effect(StrEnum):
    """What a repeat does that comes once the quiet time is over."""

    REOPEN = "reopen"
    """The same item comes back, with its history and its verdict there to read."""
    NEW_ITEM = "new_item"
    """Work of its own."""


class Repeat(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to a repeat of the same rule and entity after the item was closed.

    Within `quiet_hours` of event time after the verdict it is counted on the closed item and
    shown to nobody again; later it has the `effect`. Events from before the verdict never reopen:
    they are what was judged.
    """

    quiet_hours: int
    effect: Effect


AFTER: Mapping[Verdict, Repeat] = {
    Verdict.TRUE_POSITIVE: Repeat(quiet_hours=0, effect=Effect.REOPEN),
    Verdict.BENIGN_TRUE_POSITIVE: Repeat(quiet_hours=24, effect=Effect.NEW_ITEM),
    Verdict.FALSE_POSITIVE: Repeat(quiet_hours=7 * 24, effect=Effect.NEW_ITEM),
    Verdict.UNDETERMINED: Repeat(quiet_hours=0, effect=Effect.NEW_ITEM),
}

NEVER_QUIET = frozenset({"critical"})
"""Levels whose repeats are never kept back, whatever the verdict was."""


def quiet_hours(verdict: Verdict, level: str) -> int:
    """Hours of event time after the verdict in which a repeat of this level is only counted."""
    return 0 if level in NEVER_QUIET else AFTER[verdict].quiet_hours
