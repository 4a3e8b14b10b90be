"""What made behaviour unusual, as an alert carries it to people."""

import msgspec

RULE = "unusual-"
"""An alert's rule is this and the view that saw most."""
TITLES = {
    "novelty": "Unusual behaviour: never seen here before",
    "population": "Unusual behaviour: hardly anyone else does this",
    "identity": "Unusual behaviour: unlike this account or computer",
    "volume": "Unusual behaviour: an unusual amount, or an unusual hour",
    "forest": "Unusual behaviour: things that seldom come together",
}
"""By view."""
VIEWS = tuple(TITLES)


class Aspect(msgspec.Struct, frozen=True, kw_only=True):
    """One view's reason, in one plain sentence."""

    view: str
    sentence: str


class Stretch(msgspec.Struct, frozen=True, array_like=True):
    """One window of the entity's history."""

    start: str
    """UTC, `2026-11-24T13:45:00.000000Z`."""
    events: float
    unusual: bool


class Unusual(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an alert that no rule describes was raised."""

    profile: str
    """Which behaviour was watched."""
    model: str
    """The version that judged it."""
    start: str
    end: str
    """Of the most unusual window, UTC."""
    field: str
    """The field that names the entity in the events of the profile."""
    score: float
    p: float
    """The chance that an ordinary window looks as unusual."""
    windows: int = 0
    """How many ordinary ones it was compared with."""
    aspects: tuple[Aspect, ...]
    """The strongest first."""
    history: tuple[Stretch, ...] = ()
    """The entity's latest windows, the oldest first."""
    learning: bool = False
    """Whether the tenant was watched for less than a day, and other tenants' habits helped out."""
    below: bool = False
    """Whether it stands below the budget: the day's alerts were spent before it came."""
