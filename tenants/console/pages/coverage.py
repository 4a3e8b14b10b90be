"""What the rules can see of an organisation: its own coverage, and nobody else's."""

from collections import Counter

from fastapi import APIRouter
from starlette.responses import Response

from detection.coverage import State
from tenants.console.visit import Signed
from tenants.console.words import count

router = APIRouter()

SHOWN = 200
"""Rules and log sources of each list."""


@router.get("/tenants/{tenant}/coverage")
def coverage_page(visit: Signed, tenant: str) -> Response:
    """Which rules can match what arrives, and what the others lack."""
    found = visit.services.onboarding(visit.principal).tenant(tenant)
    findings = visit.services.coverage(visit.principal).of(tenant)
    counted = Counter(each.state for each in findings)
    lacking = [each for each in findings if each.state is State.NO_FIELDS]
    absent = Counter(each.logsource for each in findings if each.state is State.NO_SOURCE)
    values = {
        "tenant": found,
        "tally": f"{counted[State.FINE]:,} of {count(len(findings), 'rule', 'rules')} can match",
        "lacking": [
            {"title": each.title, "level": each.level, "missing": ", ".join(each.missing)}
            for each in lacking[:SHOWN]
        ],
        "absent": [
            {"logsource": " ".join(filter(None, name.split("/"))), "rules": number}
            for name, number in absent.most_common(SHOWN)
        ],
    }
    return visit.page("coverage.html", here="tenants", values=values)
