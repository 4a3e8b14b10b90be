"""The one database of tenants, people and their work; several processes share it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from sqlalchemy import URL, Connection, Engine, inspect, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from collectors.bus.contract import Overloaded
from tenants import schema
from tenants.access import NO_TENANT, Tenants
from tenants.database_sqlite import SQLite

BUSY_SECONDS = 10.0


class Kind(Protocol):
    """What SQLite and PostgreSQL do differently."""

    engine: Engine

    def options(self, *, writes: bool) -> Mapping[str, object]:
        """What a transaction is opened with."""

    def bind(self, connection: Connection, tenants: Tenants) -> None:
        """Called first in every transaction: whose rows it is about."""

    def lock(self, connection: Connection) -> None:
        """Called next in one that writes: wait until no other does."""

    def passes(self, error: SQLAlchemyError) -> bool:
        """Whether this failure is worth another try later."""


class Database:
    """Transactions of which the writing ones come one after the other, on either kind.

    A transaction names the tenants whose rows it needs: None for all, and none if left out.
    PostgreSQL shows it no others, whatever it asks; SQLite relies on the question.
    """

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        """Connect to a SQLAlchemy URL.

        Such as `sqlite:////var/lib/citysoc/triage.sqlite` or `postgresql+psycopg://user@host/name`.
        A transaction waits up to `busy_seconds` for another's to end.
        """
        self._kind = _kind(make_url(url), busy_seconds)
        self._engine = self._kind.engine

    @classmethod
    def open(cls, url: str) -> "Database":
        """Connect, and bring the tables up to date: whoever comes first does it for all."""
        database = cls(url)
        database.migrate()
        return database

    @contextmanager
    def read(self, tenants: Tenants = NO_TENANT) -> Iterator[Connection]:
        """One consistent view. Raises Overloaded where the database can't answer now."""
        with self._transaction(tenants, writes=False) as connection:
            yield connection

    @contextmanager
    def write(self, tenants: Tenants = NO_TENANT) -> Iterator[Connection]:
        """One transaction, durable on leaving, undone by any exception. Raises Overloaded."""
        with self._transaction(tenants, writes=True) as connection:
            yield connection

    def rebind(self, connection: Connection, tenants: Tenants) -> None:
        """Show an open transaction the rows of these tenants from here on, and no others."""
        self._kind.bind(connection, tenants)

    def migrate(self) -> None:
        """Run the migrations that are missing, under the writer's lock."""
        if self._revision() == schema.HEAD:
            return
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", "tenants:migrations")
        with self.write(None) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def admit(self, role: str) -> None:
        """Let another role of PostgreSQL work with the tables, so that it need not own them."""
        with self.write() as connection:
            name = connection.dialect.identifier_preparer.quote_identifier(role)
            for grant in (
                "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES",
                "USAGE ON ALL SEQUENCES",
            ):
                connection.exec_driver_sql(f"GRANT {grant} IN SCHEMA public TO {name}")

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    @property
    def engine(self) -> Engine:
        """For tests and tools that look at the tables themselves."""
        return self._engine

    @contextmanager
    def _transaction(self, tenants: Tenants, *, writes: bool) -> Iterator[Connection]:
        try:
            with (
                self._engine.connect().execution_options(
                    **self._kind.options(writes=writes)
                ) as connection,
                connection.begin(),
            ):
                self._kind.bind(connection, tenants)
                if writes:
                    self._kind.lock(connection)
                yield connection
        except SQLAlchemyError as error:
            if not self._kind.passes(error):
                raise
            cause = getattr(error, "orig", error)
            raise Overloaded(f"the triage database can't take this now: {cause}") from error

    def _revision(self) -> str | None:
        with self.read() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return None if revision is None else str(revision)


def _kind(url: URL, busy_seconds: float) -> Kind:
    match url.get_backend_name():
        case "sqlite":
            return SQLite(url, busy_seconds)
        case "postgresql":
            from tenants.database_postgresql import PostgreSQL

            return PostgreSQL(url, busy_seconds)
        case _:
            got = url.render_as_string(hide_password=True)
            raise ValueError(
                "expected a sqlite:/// or postgresql+psycopg:// URL for the triage database, "
                f"got {got!r}"
            )
