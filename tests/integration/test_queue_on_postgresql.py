"""The queue on PostgreSQL alone: who may connect, what is overload, and several intakes at once."""

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy.exc import ProgrammingError

from collectors.bus.contract import Overloaded
from deploy.local.servers import Running
from detection.alert import Alert
from tenants.access import EVERY_TENANT, OPERATOR, NotFound
from tenants.database import Database
from tenants.onboarding import Onboarding
from tenants.source_kinds import Endpoints
from tenants.triage.desk import Desk
from tenants.triage.intake import take
from tests.alerts import alert
from tests.databases import Place, empty

INTAKES = 3


@pytest.fixture
def city(tmp_path: Path) -> Iterator[Place]:
    with empty("postgresql", tmp_path) as place:
        database = Database.open(place.migrated().program)
        Onboarding(database, OPERATOR, Endpoints()).add_tenant("school", "School")
        database.close()
        yield place


def alerts() -> list[Alert]:
    """Two hours of each of 100 hosts."""
    return [alert(f"h{number // 2}", f"2026-11-24T1{number % 2}") for number in range(200)]


def test_two_intakes_of_one_tenant_take_every_alert_once(city: Place) -> None:
    together = threading.Barrier(INTAKES)

    def take_all() -> None:
        database = Database(city.program)
        together.wait(30)
        for start in range(0, 200, 10):
            take(database, alerts()[start : start + 10])
        database.close()

    threads = [threading.Thread(target=take_all) for _ in range(INTAKES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    database = Database(city.program)
    assert Desk(database, OPERATOR).counts().open == 100
    with database.read(EVERY_TENANT) as connection:
        assert connection.exec_driver_sql("SELECT sum(matches) FROM items").scalar() == 400
    database.close()


def test_a_lost_connection_is_overload_and_the_next_transaction_has_another(city: Place) -> None:
    database = Database(city.program)

    with pytest.raises(Overloaded, match="can't take this now"), database.write() as connection:
        connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
    with database.read(EVERY_TENANT) as connection:
        tenants = connection.exec_driver_sql("SELECT id FROM tenants").scalars().all()

    assert tenants == ["school"]
    database.close()


def test_a_superuser_is_refused(postgresql_server: Running) -> None:
    database = Database(postgresql_server.postgresql_superuser)

    with pytest.raises(ValueError, match="row-level security"), database.read():
        pytest.fail("nothing binds a superuser")
    database.close()


def test_a_nul_finds_nothing(city: Place) -> None:
    database = Database(city.program)

    with pytest.raises(NotFound):
        Desk(database, OPERATOR).get("a\x00b")
    database.close()


def test_every_text_sorts_by_code_point_as_on_sqlite(city: Place) -> None:
    database = Database(city.program)

    with database.read() as connection:
        columns = connection.exec_driver_sql(
            "SELECT table_name, column_name, collation_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type = 'text'"
        ).all()

    assert len(columns) > 50
    assert [tuple(column) for column in columns if column.collation_name != "C"] == []
    database.close()


def test_offsets_of_a_log_that_has_run_for_years_fit(city: Place) -> None:
    database = Database(city.program)
    late = msgspec.structs.replace(alerts()[0], revision=1 << 40, count=1 << 40)

    take(database, [late])

    (item,) = Desk(database, OPERATOR).list().items
    assert item.count == 1 << 40
    database.close()


def test_the_role_that_the_program_has_can_not_unlock_the_rows(city: Place) -> None:
    database = Database(city.program)

    with pytest.raises(ProgrammingError, match="must be owner"), database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE items DISABLE ROW LEVEL SECURITY")
    database.close()
