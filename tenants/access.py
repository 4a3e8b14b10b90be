"""Who is asking, and which tenants they may see: everything else is asked through this."""

from collections.abc import Collection
from enum import StrEnum

import msgspec

Tenants = Collection[str] | None
"""Whose data is asked for; None means every tenant's."""
EVERY_TENANT: Tenants = None
NO_TENANT: Tenants = ()


class Role(StrEnum):
    """What a person may do. Analysts and administrators are the SOC's, partners a tenant's own."""

    ADMIN = "admin"
    ANALYST = "analyst"
    PARTNER = "partner"


class Denied(Exception):
    """The person may not do this; the message says who may."""


class NotFound(Exception):
    """No such thing, or not within the person's tenants: the two look alike on purpose."""


class Conflict(Exception):
    """Somebody was faster, or it is there already; says what is so and what to do.

    `who` and `when` name the person and the moment where a person was faster.
    """

    def __init__(self, found: str, advice: str, *, who: str = "", when: str = "") -> None:
        super().__init__(f"{found}; {advice}")
        self.found = found
        self.advice = advice
        self.who = who
        self.when = when


class Invalid(Exception):
    """What was given can't be used; says what came and what was expected."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"{found}; expected {expected}")
        self.found = found
        self.expected = expected


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A signed-in person. `tenants` is None for SOC staff who serve every tenant."""

    user: str
    name: str
    role: Role
    tenants: frozenset[str] | None = frozenset()

    def sees(self, tenant: str) -> bool:
        """Whether the person may see a tenant's data at all."""
        return self.tenants is None or tenant in self.tenants

    def require(self, *roles: Role) -> None:
        """Raise Denied unless the person has one of these roles."""
        if self.role not in roles:
            raise Denied(f"this needs the role {' or '.join(roles)}; {self.user} is {self.role}")


OPERATOR = Principal(user="operator", name="command line", role=Role.ADMIN, tenants=None)
"""Whoever can run commands on the machine that holds the database."""
