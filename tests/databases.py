"""Databases of either kind for tests: empty, or copied from a template."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tenants.database import Database
from tests import servers

KINDS = ("sqlite", "postgresql")
PROGRAM = "citysoc_program"
"""The role that tests work as on PostgreSQL; it owns nothing."""


@dataclass(frozen=True)
class Place:
    """A database by its URLs: whoever owns it makes the tables, the program works with them."""

    owner: str
    program: str

    def migrated(self) -> "Place":
        """The same with its tables."""
        database = Database.open(self.owner)
        if self.owner != self.program:
            database.admit(PROGRAM)
        database.close()
        return self


@contextmanager
def empty(kind: str, folder: Path) -> Iterator[Place]:
    """A database without tables, gone afterwards."""
    if kind == "sqlite":
        url = f"sqlite:///{folder / 'triage.sqlite'}"
        yield Place(url, url)
    else:
        with _created("template0") as place:
            yield place


@contextmanager
def copied(template: Place, folder: Path) -> Iterator[Place]:
    """A database with all that the template has; nobody may be connected to that."""
    source = make_url(template.owner)
    if source.get_backend_name() == "sqlite":
        path = folder / "triage.sqlite"
        shutil.copyfile(str(source.database), path)
        yield Place(f"sqlite:///{path}", f"sqlite:///{path}")
    else:
        with _created(str(source.database)) as place:
            yield place


@pytest.fixture(scope="module", params=KINDS)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """A database with its tables, of either kind, for the tests of one file."""
    with empty(request.param, tmp_path_factory.mktemp("database")) as made:
        yield made.migrated()


@contextmanager
def _created(template: str) -> Iterator[Place]:
    running = servers.start("postgresql")
    owner = make_url(running.postgresql)
    name = f"test_{secrets.token_hex(8)}"
    password = str(owner.password)
    with _superuser(running.postgresql_superuser) as database:
        database.execute(
            f"do $$ begin create role {PROGRAM} login password '{password}'; "
            "exception when duplicate_object or unique_violation then null; end $$"
        )
        database.execute(f"create database {name} owner {owner.username} template {template}")
    try:
        ours = owner.set(database=name)
        yield Place(
            owner=ours.render_as_string(hide_password=False),
            program=ours.set(username=PROGRAM).render_as_string(hide_password=False),
        )
    finally:
        with _superuser(running.postgresql_superuser) as database:
            database.execute(f"drop database {name} with (force)")


def _superuser(url: str) -> psycopg.Connection[tuple[object, ...]]:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)
