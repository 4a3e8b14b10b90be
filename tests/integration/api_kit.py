"""The API on a real port, with people who are signed in, for the tests that speak HTTP to it."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
import uvicorn
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST

from detection.alert import Alert
from tenants import passwords
from tenants.access import OPERATOR, Role
from tenants.api.app import create_app
from tenants.database import Database
from tenants.onboarding import Onboarding
from tenants.people import People
from tenants.policies import RuleText
from tenants.services import Services
from tenants.source_kinds import Endpoints
from tenants.store.embedded import EmbeddedStore
from tenants.triage.intake import take
from tests.alerts import alert
from tests.databases import Place

PASSWORD = "a long password"
RULE = RuleText(rule="r1", title="Odd sign-in", level="high", advice="Ask the user.")


@contextlib.contextmanager
def served(services: Services) -> Iterator[str]:
    """A real server on a free port of loopback."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(create_app(services), log_level="warning", ws="none")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            deadline = time.monotonic() + 30
            while not server.started:
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def cheap_passwords() -> Iterator[None]:
    """Hashing that takes no time; how it is done in earnest has a test of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", PasswordHasher.from_parameters(CHEAPEST))
        yield


@pytest.fixture(scope="module")
def services(
    cheap_passwords: None, place: Place, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Services]:
    folder: Path = tmp_path_factory.mktemp("api")
    database = Database.open(place.program)
    onboarding = Onboarding(database, OPERATOR, Endpoints())
    for tenant in ("council", "school"):
        onboarding.add_tenant(tenant, tenant.title())
    people = People(database, OPERATOR)
    for user, role, tenants in (
        ("root", Role.ADMIN, []),
        ("kim", Role.ANALYST, []),
        ("sam", Role.ANALYST, []),
        ("pat", Role.PARTNER, ["school"]),
    ):
        people.add_user(user, user.title(), role, tenants, password=PASSWORD)
    with contextlib.closing(EmbeddedStore(folder / "store")) as store:
        yield Services(
            database,
            store,
            endpoints=Endpoints(),
            rules={"r1": RULE},
            status=lambda: {"stage": "serve", "status": "running"},
        )
    database.close()


@pytest.fixture(scope="module")
def address(services: Services) -> Iterator[str]:
    with served(services) as address:
        yield address


class Browser(httpx.Client):
    """Signed in by cookie, with the CSRF token in its headers."""

    def __init__(self, address: str, user: str) -> None:
        super().__init__(base_url=address)
        answer = self.post("/api/v1/session", json={"user": user, "password": PASSWORD})
        self.signed_in = answer
        self.headers["X-CSRF-Token"] = answer.json()["csrf"]


@pytest.fixture(scope="module")
def browsers(address: str) -> Iterator[dict[str, Browser]]:
    with contextlib.ExitStack() as stack:
        names = ("root", "kim", "sam", "pat")
        yield {
            name: stack.enter_context(contextlib.closing(Browser(address, name))) for name in names
        }


def odd_sign_in(number: int, *, body: bytes = b'{"EventID":4624}', rule: str = "r1") -> Alert:
    return alert(
        f"ws-{number}",
        "2026-11-24T10",
        rule=rule,
        title="Odd sign-in",
        count=1,
        events=("0" * 32,),
        bodies=(msgspec.Raw(body),),
    )


@pytest.fixture
def item(services: Services, request: pytest.FixtureRequest) -> str:
    """An open item of its own for every test."""
    one = odd_sign_in(abs(hash(request.node.nodeid)))
    take(services.database, [one])
    return one.id
