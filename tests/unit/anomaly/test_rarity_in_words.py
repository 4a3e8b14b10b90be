"""How rare something is said to be: never rarer than what it was compared with can show."""

import pytest

from detection.anomaly.features import Evidence, Measured
from detection.anomaly.profile import read
from detection.anomaly.reasons import reason
from detection.anomaly.window import Behaviour
from tenants.console.unusual_view import chance

PROFILE = read(b"{entity: host, kind: host, window: 15m, facets: {type: kind}}", "doors")
DONE = Behaviour("lift-2", 0.0, 900.0, ({"wipe": 3.0},), 3.0, 0.0, ())
SEEN = Measured([], [], [Evidence(0, "wipe", 3.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0)], 4, 1.0)


@pytest.mark.parametrize(
    ("p", "words", "rarity"),
    [
        (0.01, "as unusual as 1 in 100 of this tenant's windows", 100),
        (1e-9, "more unusual than any of 2,000 of this tenant's windows", 2000),
    ],
)
def test_a_reason_is_no_rarer_than_its_reference_can_show(
    p: float, words: str, rarity: int
) -> None:
    found = reason("novelty", DONE, SEEN, PROFILE, p, 2000)

    assert found.text.endswith(words)
    assert found.rarity == rarity


def test_the_alert_page_says_no_more_than_the_reference_can_show() -> None:
    assert chance(1e-9, 2000) == "More unusual than any of 2,000 ordinary windows"
    assert chance(0.01, 2000) == "As unusual as 1 in 100 ordinary windows"
