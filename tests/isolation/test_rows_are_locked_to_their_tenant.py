"""PostgreSQL's second lock: whatever is asked, rows of tenants that are not bound stay hidden."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from sqlalchemy import Table, delete, func, insert, select, update
from sqlalchemy.exc import ProgrammingError

from tenants import schema
from tenants.access import EVERY_TENANT, Tenants
from tenants.database import Database
from tests.databases import empty

OURS, THEIRS = "alder", "birch"
TENANT_TABLES = [
    table
    for table in schema.metadata.sorted_tables
    if table is schema.tenants or "tenant_id" in table.c
]


def tenant_column(table: Table) -> str:
    return "id" if table is schema.tenants else "tenant_id"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One row of each of two tenants in every table that has rows of tenants."""
    folder: Path = tmp_path_factory.mktemp("rows")
    with empty("postgresql", folder) as place:
        database = Database.open(place.migrated().program)
        with database.write(EVERY_TENANT) as connection:
            for tenant in (OURS, THEIRS):
                connection.execute(insert(schema.users), _row(schema.users, tenant))
                for table in TENANT_TABLES:
                    connection.execute(insert(table).inline().values(_row(table, tenant)))
        yield database
        database.close()


def _row(table: Table, tenant: str) -> Mapping[str, object]:
    """Any row; ids and whatever is unique are the tenant's name."""
    row: dict[str, object] = {}
    for column in table.c:
        if column.name == "id" and column.autoincrement is not False and _number(column.type):
            continue
        if column.name == "owner" and table is schema.items:
            continue
        row[column.name] = _value(column.type.python_type, tenant)
    if table is schema.sources:
        row["syslog_slot"] = len(tenant) + ord(tenant[0])
    return row


def _number(kind: object) -> bool:
    return getattr(kind, "python_type", None) is int


def _value(kind: type, tenant: str) -> object:
    return {int: 1, bool: True, bytes: b"x"}.get(kind, tenant)


def _count(database: Database, table: Table, bound: Tenants) -> int:
    with database.read(bound) as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


@pytest.mark.parametrize("table", TENANT_TABLES, ids=str)
def test_only_the_rows_of_bound_tenants_are_there(database: Database, table: Table) -> None:
    column = table.c[tenant_column(table)]

    with database.read([OURS]) as connection:
        seen = set(connection.scalars(select(column)))
        theirs = connection.execute(select(table).where(column == THEIRS)).all()

    assert seen == {OURS}
    assert theirs == []


@pytest.mark.parametrize("table", TENANT_TABLES, ids=str)
def test_a_forgotten_binding_sees_nothing(database: Database, table: Table) -> None:
    everything = _count(database, table, EVERY_TENANT)
    with database.read() as connection:
        forgotten = connection.execute(select(table)).all()
    with database.engine.connect() as connection:
        unbound = connection.execute(select(table)).all()

    assert everything == 2
    assert forgotten == unbound == []


@pytest.mark.parametrize("table", TENANT_TABLES, ids=str)
def test_rows_of_other_tenants_can_not_be_changed(database: Database, table: Table) -> None:
    column = table.c[tenant_column(table)]

    with database.write([OURS]) as connection:
        changed = connection.execute(
            update(table).where(column == THEIRS).values({column.name: THEIRS})
        ).rowcount
        gone = connection.execute(delete(table).where(column == THEIRS)).rowcount

    assert (changed, gone) == (0, 0)
    assert _count(database, table, [THEIRS]) == 1


@pytest.mark.parametrize("table", TENANT_TABLES, ids=str)
def test_rows_can_not_be_written_for_other_tenants(database: Database, table: Table) -> None:
    row = dict(_row(table, THEIRS))

    with (
        pytest.raises(ProgrammingError, match="row-level security"),
        database.write([OURS]) as connection,
    ):
        connection.execute(insert(table).inline().values(row))


def test_a_binding_ends_with_its_transaction(database: Database) -> None:
    with database.read(EVERY_TENANT) as connection:
        first = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()

    with database.engine.connect() as connection:
        again = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        seen = connection.execute(select(schema.items)).all()

    assert again == first
    assert seen == []


def test_a_transaction_that_is_bound_anew_sees_only_what_it_is_bound_to(database: Database) -> None:
    ids = select(schema.tenants.c.id)

    with database.read([OURS]) as connection:
        database.rebind(connection, EVERY_TENANT)
        everyone = set(connection.scalars(ids))
        database.rebind(connection, [OURS])
        own = set(connection.scalars(ids))

    assert (everyone, own) == ({OURS, THEIRS}, {OURS})


def test_names_that_look_like_a_list_bind_no_other_tenant(database: Database) -> None:
    for name in (f"{OURS},{THEIRS}", f"{{{THEIRS}}}", "*", "all", '"', ""):
        assert _count(database, schema.items, [name]) == 0


def test_the_audit_is_only_ever_added_to(database: Database) -> None:
    with database.write(EVERY_TENANT) as connection:
        changed = connection.execute(update(schema.audit).values(who="nobody")).rowcount
        gone = connection.execute(delete(schema.audit)).rowcount

    assert (changed, gone) == (0, 0)


def test_every_table_of_tenants_is_locked_to_its_owner_too(database: Database) -> None:
    with database.read() as connection:
        locked = connection.exec_driver_sql(
            "SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity"
        )

        assert set(locked.scalars()) == {table.name for table in TENANT_TABLES}
