"""PostgreSQL killed at work, or out of connections: the queue waits, and has every alert once."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress

import psycopg
import pytest
from sqlalchemy import make_url

from collectors.bus.contract import Overloaded
from deploy.local.servers import Running
from detection.alert import Alert
from tenants.access import EVERY_TENANT, OPERATOR
from tenants.database import Database
from tenants.onboarding import Onboarding
from tenants.source_kinds import Endpoints
from tenants.triage.intake import take
from tests.alerts import alert

ALERTS = 600
BATCH = 5
KILLS = 2


@pytest.fixture
def server(own_servers: Callable[..., Running]) -> Running:
    return own_servers("postgresql")


@pytest.fixture
def database(server: Running) -> Iterator[Database]:
    opened = Database.open(server.postgresql)
    Onboarding(opened, OPERATOR, Endpoints()).add_tenant("school", "School")
    with closing(opened):
        yield opened


def alerts() -> list[Alert]:
    """Each of a host of its own."""
    return [alert(f"h{number}", "2026-11-24T10") for number in range(ALERTS)]


def test_every_alert_is_there_once_after_the_server_was_killed_at_work(
    server: Running, database: Database
) -> None:
    taken, refused = threading.Semaphore(0), 0

    def take_all() -> None:
        nonlocal refused
        waiting = alerts()
        while waiting:
            try:
                take(database, waiting[:BATCH])
            except Overloaded:
                refused += 1
                continue
            del waiting[:BATCH]
            taken.release()

    worker = threading.Thread(target=take_all)
    worker.start()
    for _ in range(KILLS):
        for _ in range(20):
            assert taken.acquire(timeout=60)
        server.kill("postgresql")
        server.restart("postgresql")
    worker.join(60)

    assert not worker.is_alive()
    assert refused
    assert _counts(database) == (ALERTS, 2 * ALERTS)


def test_too_many_connections_are_overload_until_one_is_free(
    server: Running, database: Database
) -> None:
    plain = make_url(server.postgresql).set(drivername="postgresql")
    url = plain.render_as_string(hide_password=False)
    other = Database(server.postgresql)

    with closing(other), ExitStack() as taken:
        with suppress(psycopg.OperationalError):
            while True:
                taken.enter_context(psycopg.connect(url))
        with pytest.raises(Overloaded, match="connection"):
            take(other, alerts()[:BATCH])
        taken.close()
        take(other, alerts()[:BATCH])

    assert _counts(database) == (BATCH, 2 * BATCH)


def _counts(database: Database) -> tuple[int, int]:
    with database.read(EVERY_TENANT) as connection:
        count, matches = connection.exec_driver_sql(
            "SELECT count(*), sum(matches) FROM items"
        ).one()
    return int(count), int(matches)
