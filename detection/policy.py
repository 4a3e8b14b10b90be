"""The slice of a tenant that detection needs: what each rule may do there."""

from enum import StrEnum

import msgspec


class State(StrEnum):
    """What a match of a rule becomes in a tenant."""

    OFF = "off"
    SIGNAL = "signal"
    ALERT = "alert"


QUIET_LEVELS = frozenset({"informational", "low"})
QUIET_SETS = frozenset({"hunting"})


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a tenant's policy; a record of kind `policy` puts it in force in band."""

    tenant: str
    version: int = 0
    states: dict[str, State] = {}
    """Rule id to state, where it differs from the default."""
    lists: dict[str, tuple[str, ...]] = {}
    """The values of a placeholder, `%name%` in rules, by its name."""
    filters: dict[str, str] = {}
    """Exceptions: Sigma filter documents by the name that people gave them."""

    def state(self, rule: str, level: str, ruleset: str) -> State:
        """The state of a rule: the tenant's own word, else by rule set and level."""
        chosen = self.states.get(rule)
        if chosen is not None:
            return chosen
        quiet = level in QUIET_LEVELS or ruleset in QUIET_SETS
        return State.SIGNAL if quiet else State.ALERT
