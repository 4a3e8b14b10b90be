"""Fixtures of a small city, for the isolation tests and those in a browser."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.databases import Place, empty
from tests.isolation.city_kit import City, Things, build, cheap_passwords, opened

Template = tuple[Path, Place, Mapping[str, Things]]
"""A folder and a database to copy, and what stands in them."""


@contextlib.contextmanager
def template_on(kind: str, folder: Path) -> Iterator[Template]:
    """The city in a new folder, its database of this kind."""
    folder.mkdir()
    with empty(kind, folder) as database:
        with cheap_passwords():
            things = build(folder, database)
        yield folder, database, things


@pytest.fixture(scope="session")
def city_template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    """The city on SQLite; a file whose tests are about the database asks for others too."""
    with template_on("sqlite", tmp_path_factory.mktemp("city") / "template") as made:
        yield made


@pytest.fixture
def city(city_template: Template, tmp_path: Path) -> Iterator[tuple[City, Mapping[str, Things]]]:
    """A city of the test's own, and the ids of its things by tenant."""
    folder, database, things = city_template
    with cheap_passwords(), opened(folder, database, tmp_path / "city") as made:
        yield made, things
