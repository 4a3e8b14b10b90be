"""What the command line does while the system runs: tenants, sources, users, alerts."""

import sys
from collections.abc import Iterator, Sequence

import msgspec
import structlog

from deploy import wiring
from deploy.rule_sets import Places
from deploy.settings import Settings
from detection.coverage import Seen, together
from detection.rule_sets import Files
from tenants.access import OPERATOR, Role
from tenants.database import Database
from tenants.onboarding import SIGMA, Onboarding
from tenants.people import People
from tenants.seen_fields import SeenBook
from tenants.triage.desk import Desk
from tenants.triage.queue import Item, ItemState, QueueFilter

PAGE = 200


class Admin:
    """The installation's database, asked as the operator of the machine."""

    def __init__(self, settings: Settings) -> None:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
        self.settings = settings
        self._endpoints = wiring.endpoints(settings)
        self.database: Database = wiring.open_database(settings)

    def add_tenant(self, tenant: str, name: str, kind: str) -> object:
        """A new organisation, and where its people and sources go."""
        created = self._onboarding().add_tenant(tenant, name or tenant, kind)
        return {
            **msgspec.structs.asdict(created),
            "endpoints": {
                "console": self._endpoints.console,
                "ingest": self._endpoints.ingest_url,
                "syslog": f"{self._endpoints.syslog_host}:{self._endpoints.syslog_port} and up",
            },
            "next": f"citysoc source add {created.id} KIND --name NAME",
        }

    def add_source(
        self, tenant: str, kind: str, name: str, senders: Sequence[str], schema: str = ""
    ) -> object:
        """A new source with its token, shown this once, and a configuration to paste."""
        created = self._onboarding().add_source(tenant, kind, name, senders=senders, schema=schema)
        source = created.source
        return {
            "tenant": source.tenant,
            "source": source.name,
            "kind": source.kind,
            "schema": source.schema or SIGMA,
            "token": created.token,
            "endpoints": {"http": source.url, "syslog": source.syslog},
            "senders": source.senders,
            "configuration": created.configuration,
        }

    def add_user(self, user: str, name: str, role: str, tenants: Sequence[str]) -> object:
        """A new user with a random password, shown this once."""
        created = People(self.database, OPERATOR).add_user(user, name or user, Role(role), tenants)
        return {
            "user": created.user.id,
            "name": created.user.name,
            "role": created.user.role,
            "tenants": created.user.tenants,
            "password": created.password,
            "console": self._endpoints.console,
        }

    def alerts(self, tenant: str, *, closed: bool) -> Iterator[Item]:
        """The tenant's queue, highest priority first; with `closed`, what is done too."""
        self._onboarding().tenant(tenant)
        states = frozenset(ItemState) if closed else frozenset({ItemState.OPEN, ItemState.CLAIMED})
        asked = QueueFilter(tenants=frozenset({tenant}), states=states)
        desk = Desk(self.database, OPERATOR)
        cursor = None
        while True:
            page = desk.list(asked, cursor=cursor, limit=PAGE)
            yield from page.items
            cursor = page.cursor
            if cursor is None:
                return

    def seen_fields(self, tenant: str | None) -> Seen:
        """The fields that a tenant's log sources were seen to have, or those of all tenants."""
        book = SeenBook(self.database, OPERATOR)
        every = [each.id for each in self._onboarding().tenants()] if tenant is None else [tenant]
        return together(map(book.of, every))

    def rules_in_force(self) -> Files:
        """The files of the rule set that events are judged by now."""
        registry = wiring.registry_of(self.database, self.settings)
        return Places(self.settings, registry).of(registry.latest_release().version)

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()

    def _onboarding(self) -> Onboarding:
        return Onboarding(self.database, OPERATOR, self._endpoints)
