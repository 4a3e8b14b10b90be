"""What every enricher promises: facts about what a match names, from memory, never a verdict."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class Enricher(Protocol):
    """Adds one kind of context; named by a verb phrase such as `add_asset`."""

    name: str

    def add(self, tenant: str, related: Mapping[str, Sequence[str]]) -> Mapping[str, str]:
        """Facts for one match, empty where nothing is known. Never blocks and never raises."""
