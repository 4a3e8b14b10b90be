"""Sets the demo's city up at its first start, and plays its days through the doors at every one."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import structlog

from collectors.bus.contract import Malformed
from deploy import private_file, wiring
from deploy.demo.journal import Journal
from deploy.demo.player import Progress, play
from deploy.demo.senders import Door, HttpDoor, SyslogDoor
from deploy.demo.setup import DemoTenant, demo_tenants
from deploy.settings import Settings
from enrichment.register import Asset
from tenants.access import OPERATOR, Conflict, Role
from tenants.assets import AssetBook
from tenants.database import Database
from tenants.onboarding import Onboarding, SourceCreated
from tenants.people import People
from tenants.source_kinds import source_kinds

LOG = structlog.get_logger()
SECRETS = "demo.json"
JOURNAL = "demo-player.json"

Login = tuple[str, str, str]
"""User, password, and who that is."""


class Demo:
    """The demo of one data folder: the logins to show, and the player."""

    def __init__(self, logins: Sequence[Login], doors: Sequence[Door], journal: Journal) -> None:
        self.logins = logins
        self.progress = Progress(sent=0, history_left=0)
        self._doors = doors
        self._journal = journal
        self._thread: threading.Thread | None = None

    @classmethod
    def prepare(cls, settings: Settings, first: Sequence[Login]) -> "Demo":
        """Make the three tenants unless they are there; `first` are logins just made."""
        kept = private_file.read(settings.data / SECRETS)
        if kept is None:
            kept = _set_up(settings, first)
            private_file.write(settings.data / SECRETS, kept)
        return cls(
            [tuple(login) for login in kept["logins"]],
            [_door(settings, door) for door in kept["doors"]],
            Journal(settings.data / JOURNAL, now=datetime.now(UTC)),
        )

    def start(self, stop: threading.Event) -> None:
        """Play until `stop` is set, in a thread of its own."""
        self._thread = threading.Thread(target=self._play, args=(stop,), name="player", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait a moment for the step under way; what was not taken is sent at the next start."""
        if self._thread is not None:
            self._thread.join(timeout=0.5)

    def _play(self, stop: threading.Event) -> None:
        try:
            play(
                self._doors,
                start=self._journal.start,
                position=self._journal,
                stop=stop,
                progress=self._tell,
            )
        except Malformed as error:
            LOG.error("the demo's player ended", reason=str(error))

    def _tell(self, progress: Progress) -> None:
        self.progress = progress


def _set_up(settings: Settings, first: Sequence[Login]) -> dict[str, Any]:
    """Tenants, sources, people and assets; what an interrupted start has left is taken over."""
    database = wiring.open_database(settings)
    endpoints = wiring.endpoints(settings)
    onboarding = Onboarding(database, OPERATOR, endpoints)
    people = People(database, OPERATOR)
    doors = []
    logins: list[Login] = [_login(people, "analyst", "Analyst on shift", Role.ANALYST, ())]
    for tenant in demo_tenants():
        try:
            onboarding.add_tenant(tenant.id, tenant.name)
        except Conflict:
            LOG.info("tenant taken over", tenant=tenant.id)
        doors += [
            _add_source(onboarding, tenant.id, source.kind, source.name, endpoints.syslog_port)
            for source in tenant.sources
        ]
        logins += [
            _login(people, user.name, user.display, Role.PARTNER, (tenant.id,))
            for user in tenant.users
        ]
        _fill_register(database, tenant)
    database.close()
    return {"logins": [*logins, *first], "doors": doors}


def _add_source(
    onboarding: Onboarding, tenant: str, kind: str, name: str, first_port: int
) -> dict[str, Any]:
    try:
        created: SourceCreated = onboarding.add_source(tenant, kind, name)
    except Conflict:
        created = onboarding.rotate_token(tenant, name)
    slot = None
    if source_kinds()[kind].transport == "syslog":
        slot = int(created.source.syslog.rpartition(":")[2]) - first_port
    return {"tenant": tenant, "source": name, "token": created.token, "syslog_slot": slot}


def _door(settings: Settings, kept: dict[str, Any]) -> Door:
    """Where the source sends to, whatever ports this start uses."""
    tenant, source, slot = kept["tenant"], kept["source"], kept["syslog_slot"]
    endpoints = wiring.endpoints(settings)
    if slot is None:
        return HttpDoor(tenant, source, endpoints.ingest_url, kept["token"])
    return SyslogDoor(tenant, source, endpoints.syslog_host, endpoints.syslog_port + slot)


def _login(people: People, user: str, name: str, role: Role, tenants: Sequence[str]) -> Login:
    try:
        created = people.add_user(user, name, role, tenants)
    except Conflict:
        created = people.reset_password(user)
    return created.user.id, created.password, name


def _fill_register(database: Database, tenant: DemoTenant) -> None:
    assets = [
        Asset(kind=each.kind, name=each.name, owner=each.owner, criticality=each.criticality)
        for each in tenant.assets
    ]
    AssetBook(database, OPERATOR).replace(tenant.id, assets)
