"""What comes first in the queue: one number from 0 to 100, by three facts that anyone can check."""

from collections.abc import Mapping

LEVEL_POINTS: Mapping[str, int] = {
    "critical": 75,
    "high": 55,
    "medium": 35,
    "low": 15,
    "informational": 5,
}
"""What the rule's author says of it."""

CRITICALITY_POINTS: Mapping[str, int] = {"critical": 10, "high": 5, "normal": 0, "low": -5}
"""What the tenant says of the asset, by its own register."""

CHAIN_POINTS = 5
CHAIN_LIMIT = 15
"""For each further rule with open work on the same entity: steps of one attack rise together."""


def priority(level: str, criticality: str, rules_on_entity: int) -> int:
    """Points for level, asset and chain, within 0 to 100. A rule without a level counts as low."""
    chain = min(CHAIN_LIMIT, CHAIN_POINTS * max(0, rules_on_entity - 1))
    points = LEVEL_POINTS.get(level, LEVEL_POINTS["low"])
    return max(0, min(100, points + CRITICALITY_POINTS.get(criticality, 0) + chain))
