"""What each rule may do in a tenant: the states, changed version by version."""

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import Connection, insert

from detection.policy import Policy, State
from tenants import audit, schema
from tenants.access import Invalid, Principal, Role
from tenants.clock import Clock, stamp, utc_now
from tenants.database import Database
from tenants.onboarding import visible_tenant
from tenants.registry import policy, touch

MAX_STATES = 20_000
MAX_BYTES = 900_000
"""Of a policy as JSON; a record on the bus holds 1 MiB."""
MAX_RULE_ID = 200


class RuleText(msgspec.Struct, frozen=True, kw_only=True):
    """What people read of a rule."""

    rule: str
    title: str
    level: str
    ruleset: str = ""
    description: str = ""
    advice: str = ""
    """One sentence for whoever gets the alert."""
    tags: tuple[str, ...] = ()


class RuleState(msgspec.Struct, frozen=True, kw_only=True):
    """A rule in a tenant."""

    rule: str
    title: str
    level: str
    ruleset: str
    state: State
    chosen: bool
    """Whether the tenant's policy says so, or the default by rule set and level."""


class TenantPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy version and what it means for every rule that is loaded."""

    tenant: str
    version: int
    rules: Sequence[RuleState]


class PolicyBook:
    """Bound to one person: whoever sees the tenant reads, SOC staff change."""

    def __init__(
        self,
        database: Database,
        principal: Principal,
        rules: Mapping[str, RuleText],
        *,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._principal = principal
        self._rules = rules
        self._clock = clock

    def policy(self, tenant: str) -> TenantPolicy:
        """The latest version. Raises NotFound."""
        with self._database.read(self._principal.tenants) as connection:
            visible_tenant(connection, self._principal, tenant)
            return self._view(policy(connection, tenant))

    def set_states(self, tenant: str, states: Mapping[str, State | None]) -> TenantPolicy:
        """Make a new version in which these rules have these states, None for the default.

        It takes effect at its record on the bus. A rule that is not loaded may have a state too.
        Raises Denied, NotFound, Invalid.
        """
        self._principal.require(Role.ANALYST, Role.ADMIN)
        for rule in states:
            if not (1 <= len(rule) <= MAX_RULE_ID and rule.isprintable()):
                raise Invalid(f"rule {rule[:40]!r}", "the id of a rule")
        with self._database.write(self._principal.tenants) as connection:
            visible_tenant(connection, self._principal, tenant)
            before = policy(connection, tenant)
            after = _changed(before, states)
            if after.states == before.states:
                return self._view(before)
            write_policy(
                connection,
                after,
                who=self._principal.user,
                time=stamp(self._clock()),
                what="rule states set",
                detail=", ".join(f"{rule}: {state or 'default'}" for rule, state in states.items()),
            )
        return self._view(after)

    def _view(self, current: Policy) -> TenantPolicy:
        return TenantPolicy(
            tenant=current.tenant,
            version=current.version,
            rules=[
                RuleState(
                    rule=rule,
                    title=text.title,
                    level=text.level,
                    ruleset=text.ruleset,
                    state=current.state(rule, text.level, text.ruleset),
                    chosen=rule in current.states,
                )
                for rule, text in sorted(self._rules.items(), key=lambda pair: pair[1].title)
            ],
        )


def write_policy(
    connection: Connection, after: Policy, *, who: str, time: str, what: str, detail: str
) -> None:
    """Keep a policy's next version, which takes effect at its record on the bus, and say who.

    Raises Invalid where it is too large.
    """
    size = len(msgspec.json.encode(after))
    if size > MAX_BYTES:
        raise Invalid(f"a policy of {size:,} bytes", f"at most {MAX_BYTES:,}")
    connection.execute(
        insert(schema.policies).values(
            tenant_id=after.tenant,
            version=after.version,
            states=msgspec.json.encode(after.states).decode(),
            lists=msgspec.json.encode(after.lists).decode(),
            filters=msgspec.json.encode(after.filters).decode(),
            created=time,
            author=who,
        )
    )
    touch(connection)
    audit.record(connection, time=time, who=who, what=what, tenant=after.tenant, detail=detail)


def _changed(before: Policy, states: Mapping[str, State | None]) -> Policy:
    merged = {**before.states, **states}
    kept = {rule: state for rule, state in merged.items() if state is not None}
    if len(kept) > MAX_STATES:
        raise Invalid(f"{len(kept)} rules with a state of their own", f"at most {MAX_STATES}")
    return msgspec.structs.replace(before, version=before.version + 1, states=kept)
