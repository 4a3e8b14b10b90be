"""How many alerts a second the queue takes: python tests/bench/triage.py [ALERTS] [URL].

URL names an empty PostgreSQL database, of a role bound by row-level security; else it is SQLite.
"""

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from detection.alert import Alert
from tenants.access import OPERATOR
from tenants.database import Database
from tenants.onboarding import Onboarding
from tenants.source_kinds import Endpoints
from tenants.triage.desk import Desk
from tenants.triage.intake import take
from tests.alerts import alert

BATCH = 500
HOSTS = 4000
RULES = 37
BODY = msgspec.Raw(msgspec.json.encode({"EventID": 1, "CommandLine": "x" * 400}))


def alert_of(number: int, revision: int) -> Alert:
    """Three events with bodies at first, five when amended."""
    host, count = f"ws-{number % HOSTS}", 1 + 2 * revision
    return alert(
        host,
        f"2026-11-24T{number // HOSTS % 24:02}",
        rule=f"rule-{number % RULES}",
        revision=revision,
        count=count,
        related={"host": [host]},
        context={"add_asset": {"criticality": "high"}},
        events=tuple(f"{number * 8 + one:032x}" for one in range(count)),
        bodies=(BODY,) * count,
    )


def rate(database: Database, alerts: Sequence[Alert]) -> float:
    """Alerts per second by the clock, as a database server has processor time of its own."""
    started = time.perf_counter()
    for start in range(0, len(alerts), BATCH):
        take(database, alerts[start : start + BATCH])
    return round(len(alerts) / (time.perf_counter() - started))


def milliseconds(database: Database) -> float:
    """The first page of the queue."""
    desk = Desk(database, OPERATOR)
    started = time.perf_counter()
    desk.list()
    return round((time.perf_counter() - started) * 1000, 2)


def main() -> None:
    """Print one JSON line."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as folder:
        own = f"sqlite:///{Path(folder) / 'triage.sqlite'}"
        database = Database.open(sys.argv[2] if len(sys.argv) > 2 else own)
        Onboarding(database, OPERATOR, Endpoints()).add_tenant("school", "School")
        first = [alert_of(number, 1) for number in range(size)]
        again = [alert_of(number, 2) for number in range(size)]
        figures = {
            "database": database.engine.dialect.name,
            "alerts": size,
            "new_per_second": rate(database, first),
            "amended_per_second": rate(database, again),
            "redelivered_per_second": rate(database, again),
            "first_page_ms": milliseconds(database),
        }
        database.close()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
