"""Fixtures of a small city, for the isolation tests and those in a browser."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.isolation.city_kit import City, Things, build, cheap_passwords, opened


@pytest.fixture(scope="session")
def city_template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, Things]]:
    """A folder to copy, and what stands in it."""
    folder = tmp_path_factory.mktemp("city") / "template"
    with cheap_passwords():
        return folder, build(folder)


@pytest.fixture
def city(
    city_template: tuple[Path, Mapping[str, Things]], tmp_path: Path
) -> Iterator[tuple[City, Mapping[str, Things]]]:
    """A city of the test's own, and the ids of its things by tenant."""
    template, things = city_template
    with cheap_passwords(), opened(template, tmp_path / "city") as made:
        yield made, things
