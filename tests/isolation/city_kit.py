"""A small city for tests: two organisations, their people, and work that is waiting for them.

Everything of the second one, birch, holds a canary: a text that stands nowhere else.
"""

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from collectors.bus.contract import Partition, Record, Retention
from collectors.bus.embedded import EmbeddedBus
from collectors.event import Soc, encode, timestamp
from detection.alert import Alert, alert_id
from detection.signal import Entity
from detection.unusual import Aspect, Stretch, Unusual
from tenants import passwords
from tenants.access import OPERATOR, Principal, Role
from tenants.api.app import create_app
from tenants.console.app import create_console
from tenants.database import Database
from tenants.policies import RuleText
from tenants.registry import Asset
from tenants.services import Services
from tenants.signin import Session
from tenants.source_kinds import Endpoints
from tenants.store.contract import StoredEvent
from tenants.store.embedded import EmbeddedStore
from tenants.triage.intake import Intake
from tenants.triage.verdicts import Verdict
from tests.databases import Place, copied

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
PASSWORD = "a long enough passphrase"
RULE = "5d0e6f54-6f0c-4b57-8d6c-0a1f5c2f9d31"
RULES = {
    RULE: RuleText(
        rule=RULE,
        title="Memory of LSASS read",
        level="critical",
        description="Whoever reads this memory has the passwords of all who are signed in.",
        advice="Isolate the computer, then reset those passwords.",
    )
}
ALDER, BIRCH = "alder", "birch"
STAFF = {"maria": ("Maria Jones", Role.ANALYST), "tom": ("Tom Okafor", Role.ANALYST)}
ADMIN = "adminuser"


def canary(what: str) -> str:
    """The text that stands for this field of birch's, and nowhere else."""
    if what == "sender":
        return "198.51.100.213"
    return f"zq{what}canaryqz"


@dataclasses.dataclass(frozen=True)
class Names:
    """What one organisation calls its things."""

    name: str
    kind: str
    source: str
    sender: str
    user: str
    person: str
    asset: str
    assetowner: str
    title: str
    rule: str
    ruleset: str
    entity: str
    account: str
    context: str
    field: str
    note: str
    reason: str
    token: str


CANARIES = tuple(field.name for field in dataclasses.fields(Names))
BIRCH_TEXTS = tuple(map(canary, CANARIES))
EXCEPTION = """title: What an account may do
logsource: {{product: windows}}
filter: {{rules: any, account: {{User: '{account}'}}, condition: not account}}
"""
NAMES = {
    ALDER: Names(
        name="Alder Council",
        kind="council",
        source="edge-firewall",
        sender="192.0.2.7",
        user="asha",
        person="Asha Patel",
        asset="ws-0147",
        assetowner="Finance",
        title="Memory of LSASS read",
        rule=RULE,
        ruleset="3f9c2a71d0e4",
        entity="ws-0147",
        account="abrown",
        context="Finance",
        field="C:\\Windows\\System32\\rundll32.exe",
        note="Nobody should be signed in there today.",
        reason="Planned test of the red team.",
        token="dashboard",
    ),
    BIRCH: Names(**{what: canary(what) for what in CANARIES}),
}


@dataclasses.dataclass(frozen=True)
class Things:
    """What a route's parameters name: the ids of one organisation's things."""

    tenant: str
    source: str
    user: str
    alert: str
    closed: str
    event: str
    token: str
    password: str = PASSWORD
    """The user's; a stranger has only a guess."""


class City:
    """The services over one folder, the sessions of its people, and the ids of its things."""

    def __init__(self, folder: Path, database: Place) -> None:
        self.now = NOW
        self.database = Database.open(database.program)
        self.store = EmbeddedStore(folder / "store")
        self.bus = EmbeddedBus(folder / "bus.db")
        self.services = Services(
            self.database,
            self.store,
            endpoints=Endpoints(),
            rules=RULES,
            status=lambda: {"status": "running", "stage": "serve"},
            clock=lambda: self.now,
        )

    def app(self) -> FastAPI:
        """The application as the `serve` stage runs it."""
        return create_app(self.services, pages=create_console(self.services))

    def take(self, *alerts: Alert) -> None:
        """Put alerts into the queue by its own intake."""
        with contextlib.closing(self.bus.producer()) as producer:
            intake = Intake(self.database, producer, clock=lambda: self.now)
            for offset, alert in enumerate(alerts):
                partition = Partition(f"alerts.{alert.tenant}", 0)
                value = msgspec.json.encode(alert)
                record = Record(partition=partition, offset=offset, time=0.0, value=value)
                intake.handle([record])
            intake.flush()

    def item_of(self, alert: Alert) -> str:
        """The queue's id of the item that took this alert in."""
        desk = self.services.desk(OPERATOR)
        items = desk.list(limit=200).items
        return next(
            item.id
            for item in items
            if (item.tenant, item.rule, item.entity) == (alert.tenant, alert.rule, alert.entity)
        )

    def principal(self, user: str) -> Principal:
        """A person as they are now."""
        return self.session(user).principal

    def session(self, user: str) -> Session:
        """A new session of this person."""
        return self.services.signin.sign_in(user, PASSWORD, "127.0.0.1")

    def close(self) -> None:
        """Let go of files."""
        self.store.close()
        self.bus.close()
        self.database.close()


def alert(tenant: str, number: int = 0, **changes: object) -> Alert:
    """An alert of an organisation; each number is about another time and, from 1 on, computer."""
    names = NAMES[tenant]
    entity = Entity("host", names.entity if not number else f"{names.entity}-{number}")
    first = NOW - timedelta(minutes=20 + number)
    event = event_id(tenant, number)
    made = Alert(
        id=alert_id(tenant, names.rule, entity, f"{first:%Y-%m-%dT%H}"),
        revision=1,
        tenant=tenant,
        rule=names.rule,
        title=names.title,
        level="critical" if not number else "medium",
        ruleset=names.ruleset,
        entity=entity,
        hour=f"{first:%Y-%m-%dT%H}",
        count=3,
        first=timestamp(first),
        last=timestamp(first + timedelta(minutes=14)),
        received=timestamp(first + timedelta(seconds=1)),
        related={"host": [entity.name], "user": [names.account]},
        context={"add_asset": {"owner": names.context, "criticality": "critical"}},
        sources=(names.source,),
        events=(event,),
        bodies=(msgspec.Raw(event_line(tenant, number)),),
        unusual=_unusual(names, timestamp(first)) if number else None,
    )
    return msgspec.structs.replace(made, **changes)


def _unusual(names: Names, start: str) -> Unusual:
    """Why the stage `anomaly` would have raised it."""
    return Unusual(
        profile="windows_security",
        model="20261124-0a1b2c3d4e5f",
        start=start,
        end=start,
        field="Computer",
        score=1.5,
        p=0.001,
        aspects=(Aspect(view="novelty", sentence=f"{names.entity} showed {names.field}"),),
        history=(Stretch(start, 3.0, unusual=False), Stretch(start, 9.0, unusual=True)),
        learning=True,
    )


def event_id(tenant: str, number: int) -> str:
    """32 hex digits."""
    return f"{tenant.encode().hex():0<24}{number:08x}"


def event_line(tenant: str, number: int, minutes: float = 0) -> bytes:
    """An event as it stands on the bus."""
    names = NAMES[tenant]
    entity = names.entity if not number else f"{names.entity}-{number}"
    time = timestamp(NOW - timedelta(minutes=20 + number - minutes))
    fields = {
        "EventID": 10,
        "Image": names.field,
        "TargetImage": "C:\\Windows\\System32\\lsass.exe",
        "User": names.account,
    }
    soc = Soc(
        v=1,
        id=event_id(tenant, number),
        tenant=tenant,
        source=names.source,
        received=time,
        time=time,
        logsources=("windows/process_access/sysmon",),
        related={"host": [entity], "user": [names.account]},
    )
    return encode(fields, soc)


def stored(line: bytes) -> StoredEvent:
    """What the indexer writes for it."""
    soc = msgspec.json.decode(line)["soc"]
    return StoredEvent(
        id=soc["id"], time=soc["time"], received=soc["received"], source=soc["source"], line=line
    )


@contextlib.contextmanager
def cheap_passwords() -> Iterator[None]:
    """Argon2 with the least work that it takes, so that a hundred sign-ins cost no minute."""
    with pytest.MonkeyPatch.context() as patch:
        cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        patch.setattr(passwords, "_hasher", cheap)
        yield


def build(folder: Path, database: Place) -> Mapping[str, Things]:
    """Make the city in a folder and a database, once; tests work on copies of it."""
    city = City(folder, database.migrated())
    try:
        people = city.services.people(OPERATOR)
        people.add_user(ADMIN, "Ada Min", Role.ADMIN, password=PASSWORD)
        for user, (name, role) in STAFF.items():
            people.add_user(user, name, role, password=PASSWORD)
        return {tenant: _build_tenant(city, tenant) for tenant in (ALDER, BIRCH)}
    finally:
        city.close()


def _build_tenant(city: City, tenant: str) -> Things:
    names, services = NAMES[tenant], city.services
    onboarding = services.onboarding(OPERATOR)
    onboarding.add_tenant(tenant, names.name, names.kind)
    city.bus.create_topic(f"dead.{tenant}", partitions=1, retention=Retention())
    onboarding.add_source(tenant, "firewall", names.source, senders=[names.sender])
    services.people(OPERATOR).add_user(
        names.user, names.person, Role.PARTNER, [tenant], password=PASSWORD
    )
    asset = Asset(kind="host", name=names.asset, owner=names.assetowner, criticality="critical")
    services.assets(OPERATOR).replace(tenant, [asset])
    own = services.own_rules(OPERATOR)
    own.set_lists(tenant, {"owners": [names.assetowner]})
    own.set_exceptions(tenant, {"owned": EXCEPTION.format(account=names.account)})
    lines = [event_line(tenant, number, minutes) for number, minutes in ((0, 0), (900, 899))]
    city.store.bind(tenant).write(list(map(stored, lines)))
    waiting, judged = alert(tenant), alert(tenant, 1)
    city.take(waiting, judged)
    item, closed = city.item_of(waiting), city.item_of(judged)
    owner = city.principal(names.user)
    services.desk(owner).note(item, names.note)
    services.desk(city.principal("maria")).verdict(closed, Verdict.FALSE_POSITIVE, names.reason)
    token = services.signin.create_token(owner, names.token)
    return Things(
        tenant=tenant,
        source=names.source,
        user=names.user,
        alert=item,
        closed=closed,
        event=event_id(tenant, 0),
        token=token.id,
    )


@contextlib.contextmanager
def opened(template: Path, database: Place, folder: Path) -> Iterator[City]:
    """A city of one's own, as the template has it."""
    shutil.copytree(template, folder)
    with copied(database, folder) as place, contextlib.closing(City(folder, place)) as city:
        yield city
