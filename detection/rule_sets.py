"""Rule sets by version: what detection matches with, correlation counts by and pages explain."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import msgspec

from rules.catalog import RuleInfo
from rules.correlations import Correlation

SETTINGS: Final = ""
"""The version that stands for the rules that the settings name; nothing was imported there."""


class Release(msgspec.Struct, frozen=True):
    """From its record on, on every partition, events are judged by this rule set."""

    number: int
    """Grows by one with every release; a roll-back is one more."""
    version: str = SETTINGS


class Files(NamedTuple):
    """Where a rule set is on this machine."""

    rules: Sequence[Path]
    """Files and folders."""
    pipelines: Sequence[Path]
    """Applied in this order."""
    version: str = SETTINGS


class Rules(Protocol):
    """A rule set that matches events; detection.sigma.Engine is one."""

    @property
    def version(self) -> str:
        """What signals name."""

    @property
    def rules(self) -> Mapping[str, RuleInfo]:
        """By id; correlations are none of them."""

    @property
    def correlations(self) -> Sequence[Correlation]:
        """Each after those that it refers to."""

    def match_lines(self, lines: Sequence[bytes]) -> Sequence[tuple[int, RuleInfo]]:
        """Position and rule of every match. Raises Malformed where a line is no event."""


class RuleSets(Protocol):
    """Every rule set that was ever released; shared by threads."""

    def engine(self, version: str) -> Rules:
        """The engine of a release's version. Raises Overloaded while it is being loaded."""

    def correlations(self, version: str) -> Sequence[Correlation]:
        """The correlations of the set that a signal names (`Signal.ruleset`).

        A version that was never imported is that of the rules that the settings name.
        """

    def files(self, version: str) -> Files:
        """Where the set that a signal names is to be read."""
