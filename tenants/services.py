"""Everything that the API and the console stand on, put together once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from detection.coverage import Needs
from detection.reason import Explain
from tenants.access import Principal
from tenants.assets import AssetBook
from tenants.audit import Audit
from tenants.clock import Clock, utc_now
from tenants.coverage import CoverageBook
from tenants.database import Database
from tenants.hunt import Hunt
from tenants.onboarding import Onboarding
from tenants.own_rules import OwnRulesBook
from tenants.people import People
from tenants.policies import PolicyBook, RuleText
from tenants.pseudonyms import NO_PSEUDONYMS, Pseudonyms
from tenants.signin import Signin
from tenants.source_kinds import Endpoints
from tenants.store.contract import EventStore
from tenants.triage.desk import Desk
from tenants.triage.unusual import unusual_a_day


class Services:
    """Hands out what a person may use, bound to that person. Shared by all threads."""

    def __init__(
        self,
        database: Database,
        store: EventStore,
        *,
        endpoints: Endpoints,
        rules: Mapping[str, RuleText],
        status: Callable[[], dict[str, Any]],
        reasons: Explain | None = None,
        needs: Sequence[Needs] = (),
        budget: Callable[[str], float] | None = None,
        city_budget: float = 0.0,
        pseudonyms: Pseudonyms = NO_PSEUDONYMS,
        clock: Clock = utc_now,
    ) -> None:
        """`rules` may be a mapping that changes; `status` is the report of collectors.health.

        `needs` are what the rules in force ask of fields; it may change, too. `reasons` says
        why a rule matched; without it no page does. `budget` is how many alerts a day that no
        rule describes a tenant may cost, `city_budget` all of them; without it none is shown.
        `pseudonyms` stand for the names of tenants that want it so.
        """
        self.database = database
        self.store = store
        self.endpoints = endpoints
        self.rules = rules
        self.status = status
        self.reasons = reasons
        self.needs = needs
        self.budget = budget
        self.city_budget = city_budget
        self.pseudonyms = pseudonyms
        self.clock = clock
        self.signin = Signin(database, clock=clock)

    @property
    def secure(self) -> bool:
        """Whether browsers reach the console over TLS, so that cookies are kept to it."""
        return self.endpoints.console.startswith("https://")

    def rule_text(self, rule: str) -> RuleText | None:
        """What people read of a rule, None for one that is gone."""
        return self.rules.get(rule)

    def desk(self, principal: Principal) -> Desk:
        """The queue."""
        return Desk(self.database, principal, pseudonyms=self.pseudonyms, clock=self.clock)

    def unusual_a_day(self, principal: Principal, tenant: str | None = None) -> float:
        """How many alerts that no rule describes a tenant, or all, had a day, this week."""
        return unusual_a_day(self.database, principal, tenant, now=self.clock())

    def onboarding(self, principal: Principal) -> Onboarding:
        """Tenants and sources."""
        return Onboarding(self.database, principal, self.endpoints, clock=self.clock)

    def people(self, principal: Principal) -> People:
        """Users."""
        return People(self.database, principal, clock=self.clock)

    def assets(self, principal: Principal) -> AssetBook:
        """The registers of assets."""
        return AssetBook(self.database, principal, pseudonyms=self.pseudonyms, clock=self.clock)

    def policies(self, principal: Principal) -> PolicyBook:
        """The rules' states."""
        return PolicyBook(self.database, principal, self.rules, clock=self.clock)

    def own_rules(self, principal: Principal) -> OwnRulesBook:
        """Tenants' lists and exceptions."""
        return OwnRulesBook(self.database, principal, pseudonyms=self.pseudonyms, clock=self.clock)

    def coverage(self, principal: Principal) -> CoverageBook:
        """Which rules can match what arrives."""
        return CoverageBook(self.database, principal, self.needs)

    def hunt(self, principal: Principal) -> Hunt:
        """Search in events."""
        return Hunt(
            self.database, principal, self.store, pseudonyms=self.pseudonyms, clock=self.clock
        )

    def audit(self, principal: Principal) -> Audit:
        """Who did what."""
        return Audit(self.database, principal)
