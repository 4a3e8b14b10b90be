"""Which rules can match what a tenant's sources deliver, for one person."""

from collections.abc import Sequence

from detection.coverage import Finding, Needs, judge
from tenants.access import Principal
from tenants.database import Database
from tenants.seen_fields import SeenBook


class CoverageBook:
    """Judges the rules in force by the fields that were seen of a tenant."""

    def __init__(self, database: Database, principal: Principal, needs: Sequence[Needs]) -> None:
        self._seen = SeenBook(database, principal)
        self._needs = needs

    def of(self, tenant: str) -> Sequence[Finding]:
        """One finding for each rule, by title. Raises NotFound for a tenant not theirs to see."""
        seen = self._seen.of(tenant)
        found = [judge(each, seen) for each in list(self._needs)]
        return sorted(found, key=lambda each: (each.title, each.rule))
