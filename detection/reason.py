"""What can be told of why a rule matched the events of an alert."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple


class Known(StrEnum):
    """How far the fields that made the rule match are known."""

    ALL = "all"
    STARTING = "starting"
    """The rules are still being read."""
    GONE = "gone"
    """The rule is not there any more, or can't be used."""
    CHANGED = "changed"
    """The rule as its set has it does not match every one of these events."""
    COUNTED = "counted"
    """A correlation, which looks at matches and not at fields."""
    LARGE = "large"
    """Some events were too much to look through while a page waits."""


class Reasons(NamedTuple):
    """For each event of an alert, the fields that made its rule match."""

    known: Known
    fields: Sequence[frozenset[str]]
    """One set an event, empty where nothing is known: dotted names of values as in the event, a
    list being one value."""


Explain = Callable[[str, str, Sequence[Mapping[str, Any]]], Reasons]
"""From a rule's id, the version of its rule set, and events with their `soc` objects to the
reasons. Quick; never raises."""
