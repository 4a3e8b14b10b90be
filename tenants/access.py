"""Who is asking, and which tenants they may see: everything else is asked through this."""

from enum import StrEnum

import msgspec


class Role(StrEnum):
    """What a person may do. Analysts and administrators are the SOC's, partners a tenant's own."""

    ADMIN = "admin"
    ANALYST = "analyst"
    PARTNER = "partner"


class Denied(Exception):
    """The person may not do this; the message says who may."""


class NotFound(Exception):
    """No such thing, or not within the person's tenants: the two look alike on purpose."""


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
