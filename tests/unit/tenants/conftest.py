"""A city with two tenants and a few people, on a database of its own for every test."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST

from detection.alert import Alert
from tenants import passwords
from tenants.access import OPERATOR, Principal, Role
from tenants.database import Database
from tenants.onboarding import Onboarding
from tenants.people import People
from tenants.source_kinds import Endpoints
from tests.alerts import alert
from tests.databases import KINDS, Place, copied, empty


class HandClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **step: float) -> None:
        self.now += timedelta(**step)


@pytest.fixture(scope="session")
def real_hasher() -> Iterator[PasswordHasher]:
    """How passwords are hashed in earnest; while tests run it is done the cheapest way."""
    real = passwords._hasher
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", PasswordHasher.from_parameters(CHEAPEST))
        yield real


@pytest.fixture(scope="session", params=KINDS)
def template(
    request: pytest.FixtureRequest,
    real_hasher: PasswordHasher,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    """A database as the migrations leave it, with two tenants; copied for every test."""
    with empty(request.param, tmp_path_factory.mktemp("template")) as place:
        place.migrated()
        database = Database.open(place.program)
        onboarding = Onboarding(database, OPERATOR, Endpoints())
        onboarding.add_tenant("council", "Riverside Council", "council")
        onboarding.add_tenant("school", "Northgate School", "school")
        people = People(database, OPERATOR)
        people.add_user("kim", "Kim Lee", Role.ANALYST, password="a long password")
        people.add_user("sam", "Sam Roe", Role.ANALYST, password="a long password")
        people.add_user("pat", "Pat Day", Role.PARTNER, ["school"], password="a long password")
        people.add_user("root", "Root", Role.ADMIN, password="a long password")
        database.close()
        yield place


@pytest.fixture
def database(template: Place, tmp_path: Path) -> Iterator[Database]:
    with copied(template, tmp_path) as place:
        database = Database.open(place.program)
        yield database
        database.close()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def kim() -> Principal:
    return Principal(user="kim", name="Kim Lee", role=Role.ANALYST, tenants=None)


@pytest.fixture
def sam() -> Principal:
    return Principal(user="sam", name="Sam Roe", role=Role.ANALYST, tenants=None)


@pytest.fixture
def pat() -> Principal:
    """A partner, of the school alone."""
    return Principal(user="pat", name="Pat Day", role=Role.PARTNER, tenants=frozenset({"school"}))


@pytest.fixture
def root() -> Principal:
    return Principal(user="root", name="Root", role=Role.ADMIN, tenants=None)


@pytest.fixture
def make_alert() -> Callable[..., Alert]:
    def make(
        rule: str = "burst",
        host: str = "ws-014",
        *,
        tenant: str = "school",
        hour: int = 10,
        minute: int = 0,
        count: int = 1,
        revision: int = 1,
        level: str = "high",
        criticality: str = "",
    ) -> Alert:
        bucket = f"2026-11-24T{hour:02}"
        carried = min(count, 20)
        return alert(
            host,
            bucket,
            tenant=tenant,
            rule=rule,
            title=f"Title of {rule}",
            level=level,
            revision=revision,
            count=count,
            last=f"{bucket}:{minute:02}:00.000000Z",
            received=f"{bucket}:00:01.000000Z",
            related={"host": [host], "user": ["amy"]},
            context={"asset": {"criticality": criticality}} if criticality else {},
            sources=("dc-1",),
            events=tuple(f"{number:032x}" for number in range(carried)),
            bodies=tuple(
                msgspec.Raw(msgspec.json.encode({"EventID": number})) for number in range(carried)
            ),
        )

    return make
