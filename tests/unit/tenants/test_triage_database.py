"""The database: migrated once by whoever comes first, and overloaded rather than broken."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, insert
from sqlalchemy.exc import IntegrityError

from collectors.bus.contract import Overloaded
from tenants import schema
from tenants.access import EVERY_TENANT
from tenants.database import Database
from tests.databases import KINDS, Place, copied, empty


def test_the_migrations_make_exactly_the_tables_of_the_schema(database: Database) -> None:
    with database.read() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), schema.metadata)

    assert differences == []


def test_the_head_is_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", "tenants:migrations")

    assert ScriptDirectory.from_config(config).get_heads() == [schema.HEAD]


@pytest.mark.parametrize("kind", KINDS)
def test_several_processes_may_open_a_new_database_at_once(kind: str, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from tenants.database import Database\n"
        "database = Database.open(sys.argv[1])\n"
        "from tenants.registry import Registry\n"
        "assert Registry(database).version() == 0\n"
        "database.close()\n"
    )

    with empty(kind, tmp_path) as place:
        command = [sys.executable, "-c", program, place.owner]
        processes = [subprocess.Popen(command) for _ in range(3)]
        codes = [process.wait(60) for process in processes]

    assert codes == [0, 0, 0]


def test_other_databases_are_refused_without_showing_the_password() -> None:
    with pytest.raises(ValueError, match=r"sqlite:/// or postgresql\+psycopg://.*:\*\*\*@"):
        Database("mysql://citysoc:secret@somewhere/citysoc")


def test_waiting_too_long_for_another_writer_is_overload(template: Place, tmp_path: Path) -> None:
    with copied(template, tmp_path) as place:
        _wait_for_another_writer(place.program)


def _wait_for_another_writer(url: str) -> None:
    holder = Database(url)
    waiter = Database(url, busy_seconds=0.05)

    with holder.write(), pytest.raises(Overloaded, match="lock"), waiter.write():
        pytest.fail("two writers at once")
    with waiter.write():
        pass

    holder.close()
    waiter.close()


def test_readers_see_one_moment_and_do_not_wait_for_a_writer(database: Database) -> None:
    with database.read(EVERY_TENANT) as other:
        before = other.exec_driver_sql("SELECT count(*) FROM tenants").scalar()
        _add_museum(database)
        after = other.exec_driver_sql("SELECT count(*) FROM tenants").scalar()

    assert before == after == 2


def _add_museum(database: Database) -> None:
    with database.write(EVERY_TENANT) as connection:
        connection.execute(
            insert(schema.tenants).values(id="museum", name="City Museum", kind="", created="")
        )


def test_a_full_disk_is_overload_and_nothing_is_half_done(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'triage.sqlite'}"
    Database.open(url).close()
    database = Database(url)
    event.listen(
        database.engine,
        "connect",
        lambda connection, _: connection.execute("PRAGMA max_page_count = 1"),
    )
    rows = [
        {"id": f"t{number}", "name": "x" * 100_000, "kind": "", "created": ""}
        for number in range(100)
    ]

    with pytest.raises(Overloaded, match="full"), database.write() as connection:
        connection.execute(insert(schema.tenants), rows)

    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM tenants").scalar() == 0
    database.close()


def test_an_error_undoes_the_whole_transaction(database: Database) -> None:
    def change_and_fail() -> None:
        with database.write(EVERY_TENANT) as connection:
            connection.exec_driver_sql("UPDATE registry_version SET version = 1000")
            connection.exec_driver_sql("INSERT INTO tenants VALUES ('school', '', '', '')")

    with pytest.raises(IntegrityError):
        change_and_fail()

    with database.read() as connection:
        version = connection.exec_driver_sql("SELECT version FROM registry_version").scalar()
    assert version != 1000


def test_rows_of_no_tenant_are_refused(database: Database) -> None:
    values = {"tenant_id": "ghosts", "kind": "host", "name": "x", "owner": "", "criticality": ""}

    with pytest.raises(IntegrityError), database.write(EVERY_TENANT) as connection:
        connection.execute(insert(schema.assets).values(**values))
