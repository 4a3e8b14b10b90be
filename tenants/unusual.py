"""What people read of alerts that no rule describes, and how each may be turned off like a rule."""

from collections.abc import Mapping

from detection.unusual import RULE, TITLES
from tenants.policies import RuleText

LEVEL = "medium"
RULESET = "anomaly"
ADVICE = (
    "Ask whoever looks after it whether this was planned; look at the events behind it, and at "
    "what else happened there at the time."
)
MEANING = {
    "novelty": "It did what it, and perhaps the whole organisation, had never done before.",
    "population": "It keeps doing what hardly any other in the organisation ever does.",
    "identity": "It behaved less like itself than like others, as a borrowed account would.",
    "volume": "It did far more than usual, or was busy at an hour when it never is.",
    "forest": "Each thing it did may be usual; all of them together are not.",
}


def unusual_texts() -> Mapping[str, RuleText]:
    """By rule id."""
    return {
        RULE + view: RuleText(
            rule=RULE + view,
            title=title,
            level=LEVEL,
            ruleset=RULESET,
            description=f"{MEANING[view]} No rule describes it: it is measured against this "
            "organisation's own past.",
            advice=ADVICE,
        )
        for view, title in TITLES.items()
    }
