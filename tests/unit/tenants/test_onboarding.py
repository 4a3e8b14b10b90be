"""Tenants and sources: what a partner gets, who may change what, and what the doors then know."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from collectors.logsource import LogSource
from collectors.route import token_hash
from tenants.access import OPERATOR, Conflict, Denied, Invalid, NotFound, Principal
from tenants.audit import Audit
from tenants.database import Database
from tenants.onboarding import Onboarding
from tenants.registry import Registry
from tenants.source_kinds import Endpoints, source_kinds

ENDPOINTS = Endpoints(ingest="http://soc.example:8601", syslog_host="soc.example")


@pytest.fixture
def onboard(database: Database) -> Callable[[Principal], Onboarding]:
    return lambda person: Onboarding(database, person, ENDPOINTS)


def test_a_source_gets_a_token_endpoints_and_a_configuration(
    database: Database, onboard: Any, pat: Principal
) -> None:
    created = onboard(pat).add_source("school", "windows", "dc-1")

    assert len(created.token) >= 43
    assert created.token in created.configuration
    assert created.source.url == "http://soc.example:8601/ingest/events"
    assert created.source.url in created.configuration
    (route,) = Registry(database).routes()
    assert (route.tenant, route.source, route.kind) == ("school", "dc-1", "windows")
    assert route.token_hash == token_hash(created.token)
    assert route.logsources == (LogSource("windows"),)
    assert route.syslog_slot is None
    msgspec.json.encode(created)


def test_syslog_sources_get_ports_of_their_own_for_their_senders_only(
    database: Database, onboard: Any
) -> None:
    desk = onboard(OPERATOR)

    first = desk.add_source("school", "firewall", "edge", senders=["192.0.2.7", "198.51.100.9/24"])
    second = desk.add_source("council", "linux", "edge")

    assert (first.source.syslog, second.source.syslog) == ("soc.example:8610", "soc.example:8611")
    assert first.source.senders == ("192.0.2.7/32", "198.51.100.0/24")
    assert second.source.senders == ("127.0.0.1/32", "::1/128")
    assert "8611" in second.configuration
    routes = {route.tenant: route for route in Registry(database).routes()}
    assert routes["school"].admits("198.51.100.200")
    assert not routes["school"].admits("203.0.113.5")


def test_a_partner_gets_a_port_that_no_other_tenant_has(onboard: Any, pat: Principal) -> None:
    onboard(OPERATOR).add_source("council", "linux", "edge")

    created = onboard(pat).add_source("school", "linux", "edge")

    assert created.source.syslog == "soc.example:8611"


@pytest.mark.parametrize("kind", list(source_kinds()))
def test_every_kind_can_be_onboarded_with_nothing_left_to_fill_in(
    database: Database, onboard: Any, kind: str
) -> None:
    created = onboard(OPERATOR).add_source("school", kind, "one")

    assert "$" not in created.configuration
    assert created.source.title == source_kinds()[kind].title


def test_no_token_is_stored(database: Database, onboard: Any) -> None:
    created = onboard(OPERATOR).add_source("school", "json", "app")

    with database.read() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM sources").all()
        acts = connection.exec_driver_sql("SELECT * FROM audit").all()
    assert created.token not in str(rows) + str(acts)


def test_a_new_token_ends_the_old_one(database: Database, onboard: Any) -> None:
    desk = onboard(OPERATOR)
    old = desk.add_source("school", "json", "app")

    new = desk.rotate_token("school", "app")

    assert new.token != old.token
    assert [route.token_hash for route in Registry(database).routes()] == [token_hash(new.token)]


def test_a_disabled_source_has_no_door_until_it_is_enabled(
    database: Database, onboard: Any
) -> None:
    desk = onboard(OPERATOR)
    desk.add_source("school", "linux", "app")

    desk.enable_source("school", "app", enabled=False)
    closed = Registry(database).routes()
    desk.enable_source("school", "app", enabled=True)

    assert closed == []
    assert [route.syslog_slot for route in Registry(database).routes()] == [0]


def test_every_change_grows_the_version_and_reading_does_not(
    database: Database, onboard: Any
) -> None:
    desk, registry = onboard(OPERATOR), Registry(database)
    versions = [registry.version()]

    for change in (
        lambda: desk.add_tenant("museum", "City Museum"),
        lambda: desk.add_source("museum", "linux", "a"),
        lambda: desk.set_senders("museum", "a", ["192.0.2.1"]),
        lambda: desk.rotate_token("museum", "a"),
        lambda: desk.enable_source("museum", "a", enabled=False),
    ):
        change()
        versions.append(registry.version())
    desk.sources("museum")

    assert versions == sorted(set(versions))
    assert registry.version() == versions[-1]


@pytest.mark.parametrize(
    "tenant", ["", "a", "A1", "1a", "a-b", "a" * 32, "a\n", "über", "ab ", "../ab", "a.b"]
)
def test_what_is_no_tenant_id_is_refused(onboard: Any, tenant: str) -> None:
    with pytest.raises(Invalid, match="no tenant id"):
        onboard(OPERATOR).add_tenant(tenant, "Name")


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\x00b", "a\u202eb", "a\ud800"])
def test_what_is_no_display_name_is_refused(onboard: Any, name: str) -> None:
    with pytest.raises(Invalid, match="a display name"):
        onboard(OPERATOR).add_tenant("museum", name)


@pytest.mark.parametrize("name", ["", "-a", "a b", "a/b", "a" * 64, "a\n", "../etc"])
def test_what_is_no_source_name_is_refused(onboard: Any, name: str) -> None:
    with pytest.raises(Invalid, match="no source name"):
        onboard(OPERATOR).add_source("school", "json", name)


@pytest.mark.parametrize("senders", [["nonsense"], ["192.0.2.1/33"], ["::1"] * 201])
def test_senders_must_be_addresses(onboard: Any, senders: list[str]) -> None:
    with pytest.raises(Invalid):
        onboard(OPERATOR).add_source("school", "linux", "a", senders=senders)


def test_an_unknown_kind_names_those_that_are_known(onboard: Any) -> None:
    with pytest.raises(Invalid, match=r"'telepathy'.*windows, linux"):
        onboard(OPERATOR).add_source("school", "telepathy", "a")


def test_names_are_taken_once(onboard: Any) -> None:
    desk = onboard(OPERATOR)
    desk.add_source("school", "json", "app")
    desk.add_source("council", "json", "app")

    with pytest.raises(Conflict):
        desk.add_source("school", "linux", "app")
    with pytest.raises(Conflict):
        desk.add_tenant("school", "Another School")


def test_only_administrators_take_in_tenants(onboard: Any, kim: Principal, pat: Principal) -> None:
    for person in (kim, pat):
        with pytest.raises(Denied):
            onboard(person).add_tenant("museum", "City Museum")


def test_another_tenants_sources_look_as_if_there_were_none(onboard: Any, pat: Principal) -> None:
    onboard(OPERATOR).add_source("council", "linux", "secret")
    desk = onboard(pat)

    for ask in (
        desk.tenant,
        desk.sources,
        lambda tenant: desk.source(tenant, "secret"),
        lambda tenant: desk.add_source(tenant, "json", "x"),
        lambda tenant: desk.rotate_token(tenant, "secret"),
        lambda tenant: desk.enable_source(tenant, "secret", enabled=False),
        lambda tenant: desk.set_senders(tenant, "secret", ["::1"]),
    ):
        messages = []
        for tenant in ("council", "ghosts1"):
            with pytest.raises(NotFound) as caught:
                ask(tenant)
            messages.append(str(caught.value).replace(tenant, "T"))
        assert messages[0] == messages[1]
    assert [tenant.id for tenant in desk.tenants()] == ["school"]


def test_the_tenant_can_read_what_was_done(
    database: Database, onboard: Any, pat: Principal
) -> None:
    onboard(pat).add_source("school", "json", "app")
    onboard(OPERATOR).add_source("council", "json", "app")

    entries = Audit(database, pat).of_tenant("school").entries

    assert [(entry.who, entry.what, entry.detail) for entry in entries[:1]] == [
        ("pat", "source added", "app (json)")
    ]
    assert {entry.tenant for entry in entries} == {"school"}
    with pytest.raises(NotFound):
        Audit(database, pat).of_tenant("council")
    with pytest.raises(Denied):
        Audit(database, pat).of_everything()


def test_audit_pages_hold_every_act_once(database: Database, onboard: Any, pat: Principal) -> None:
    for number in range(7):
        onboard(pat).add_source("school", "json", f"s{number}")
    audit = Audit(database, pat)

    seen, cursor = [], None
    while True:
        page = audit.of_tenant("school", cursor=cursor, limit=3)
        seen += [entry.id for entry in page.entries]
        cursor = page.cursor
        if cursor is None:
            break

    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 9  # the tenant and its partner came before
