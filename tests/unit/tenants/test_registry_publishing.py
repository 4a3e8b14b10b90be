"""Policies and topics reach the bus, once each in effect, wherever it is cut off."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import insert

from collectors.bus.contract import Overloaded, Record, Retention
from collectors.bus.embedded import EmbeddedBus
from detection.policy import Policy, State
from detection.rule_sets import Release
from tenants import schema
from tenants.access import OPERATOR, Denied, Invalid, NotFound, Principal
from tenants.database import Database
from tenants.onboarding import Onboarding
from tenants.policies import PolicyBook, RuleText
from tenants.registry import Registry, topic_plan
from tenants.source_kinds import Endpoints

RULES = {
    "r1": RuleText(rule="r1", title="Loud", level="high"),
    "r2": RuleText(rule="r2", title="Quiet", level="low"),
    "r3": RuleText(rule="r3", title="Hunt", level="critical", ruleset="hunting"),
}


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[EmbeddedBus]:
    with contextlib.closing(EmbeddedBus(tmp_path / "bus.sqlite")) as opened:
        yield opened


def on_bus(bus: EmbeddedBus) -> list[Record]:
    """Every record of every events topic."""
    with contextlib.closing(bus.consumer("reader", "events.")) as consumer:
        found: list[Record] = []
        while batch := consumer.poll(0.2):
            found += batch
        return found


def test_every_tenant_has_its_topics(database: Database, bus: EmbeddedBus) -> None:
    registry = Registry(database, topics=topic_plan(partitions=3))

    registry.ensure_topics(bus)
    registry.ensure_topics(bus)

    assert bus.topics() == {
        f"{kind}.{tenant}": 3 if kind == "events" else 1
        for kind in ("events", "signals", "behaviour", "alerts", "dead")
        for tenant in ("council", "school")
    }


def test_what_correlation_reads_again_outlives_short_retention() -> None:
    plan = topic_plan(retention=Retention(seconds=3600.0, bytes=10))

    assert plan["events"][1].seconds == 3600.0
    assert plan["signals"][1].seconds == 14 * 86400.0


def test_a_policy_stands_on_every_partition_of_its_tenant_once(
    database: Database, bus: EmbeddedBus, kim: Principal
) -> None:
    registry = Registry(database)
    PolicyBook(database, kim, RULES).set_states("school", {"r1": State.OFF})

    sent = registry.publish(bus)
    again = registry.publish(bus)

    assert (sent, again) == (4, 0)
    records = on_bus(bus)
    assert sorted(record.partition.number for record in records) == [0, 1, 2, 3]
    assert {record.partition.topic for record in records} == {"events.school"}
    assert {record.kind for record in records} == {"policy"}
    policies = [msgspec.json.decode(record.value, type=Policy) for record in records]
    assert set(map(str, policies)) == {
        str(Policy(tenant="school", version=1, states={"r1": State.OFF}))
    }


def test_a_policy_that_could_not_be_sent_is_sent_later(
    database: Database, tmp_path: Path, kim: Principal
) -> None:
    path = tmp_path / "bus.sqlite"
    registry = Registry(database)
    with contextlib.closing(EmbeddedBus(path)) as roomy:
        registry.ensure_topics(roomy)
    many = {f"rule number {number}": State.OFF for number in range(4000)}
    PolicyBook(database, kim, RULES).set_states("school", many)

    with (
        contextlib.closing(EmbeddedBus(path, limit=path.stat().st_size)) as full,
        pytest.raises(Overloaded),
    ):
        registry.publish(full)

    with contextlib.closing(EmbeddedBus(path)) as roomy:
        assert registry.publish(roomy) == 4
        assert len(on_bus(roomy)) == 4


def test_a_policy_too_large_for_the_bus_is_refused(database: Database, kim: Principal) -> None:
    many = {f"{number:0200}": State.SIGNAL for number in range(5000)}

    with pytest.raises(Invalid, match="bytes"):
        PolicyBook(database, kim, RULES).set_states("school", many)


def test_versions_are_kept_and_the_latest_is_told(
    database: Database, bus: EmbeddedBus, kim: Principal
) -> None:
    registry = Registry(database)
    book = PolicyBook(database, kim, RULES)
    book.set_states("school", {"r1": State.OFF})
    book.set_states("school", {"r2": State.ALERT})
    book.set_states("school", {"r1": None})

    registry.publish(bus)

    versions = [
        msgspec.json.decode(record.value, type=Policy).version
        for record in on_bus(bus)
        if record.partition.number == 0
    ]
    assert versions == [3]
    assert registry.policy("school", 0) == Policy(tenant="school")
    assert registry.policy("school", 1).states == {"r1": State.OFF}
    assert registry.policy("school", 2).states == {"r1": State.OFF, "r2": State.ALERT}
    assert registry.policy("school").states == {"r2": State.ALERT}
    with pytest.raises(KeyError, match="version 4"):
        registry.policy("school", 4)


def test_a_change_that_changes_nothing_makes_no_version(database: Database, kim: Principal) -> None:
    book = PolicyBook(database, kim, RULES)
    book.set_states("school", {"r1": State.OFF})
    version = Registry(database).version()

    same = book.set_states("school", {"r1": State.OFF, "r2": None})

    assert same.version == 1
    assert Registry(database).version() == version


def test_the_view_says_what_is_default_and_what_is_chosen(
    database: Database, kim: Principal, pat: Principal
) -> None:
    PolicyBook(database, kim, RULES).set_states("school", {"r2": State.ALERT})

    view = PolicyBook(database, pat, RULES).policy("school")

    assert [(rule.rule, rule.state, rule.chosen) for rule in view.rules] == [
        ("r3", "signal", False),
        ("r1", "alert", False),
        ("r2", "alert", True),
    ]


def test_partners_read_their_policy_and_do_not_change_it(
    database: Database, pat: Principal
) -> None:
    book = PolicyBook(database, pat, RULES)

    with pytest.raises(Denied):
        book.set_states("school", {"r1": State.OFF})
    with pytest.raises(NotFound):
        book.policy("council")


@pytest.mark.parametrize("rule", ["", "x" * 201, "a\nb"])
def test_what_is_no_rule_id_is_refused(database: Database, kim: Principal, rule: str) -> None:
    with pytest.raises(Invalid):
        PolicyBook(database, kim, RULES).set_states("school", {rule: State.OFF})


def test_a_new_tenant_gets_its_topics_at_the_next_publishing(
    database: Database, bus: EmbeddedBus
) -> None:
    registry = Registry(database)
    registry.publish(bus)

    Onboarding(database, OPERATOR, Endpoints()).add_tenant("museum", "City Museum")
    registry.publish(bus)

    assert bus.topics()["events.museum"] == 4


def test_new_partitions_and_new_tenants_are_told_what_is_in_force(
    database: Database, bus: EmbeddedBus, kim: Principal
) -> None:
    PolicyBook(database, kim, RULES).set_states("school", {"r1": State.OFF})
    _release(database, 1)
    Registry(database, topics=topic_plan(partitions=1)).publish(bus)
    Onboarding(database, OPERATOR, Endpoints()).add_tenant("museum", "City Museum")

    Registry(database, topics=topic_plan(partitions=2)).publish(bus)

    told = sorted((each.partition, each.kind, each.offset) for each in on_bus(bus))
    assert [(place.topic, place.number, kind) for place, kind, _ in told] == [
        ("events.council", 0, "rules"),
        ("events.council", 1, "rules"),
        ("events.museum", 0, "rules"),
        ("events.museum", 1, "rules"),
        ("events.school", 0, "policy"),
        ("events.school", 0, "rules"),
        ("events.school", 1, "policy"),
        ("events.school", 1, "rules"),
    ]


def test_only_the_newest_release_is_told_and_only_once(
    database: Database, bus: EmbeddedBus
) -> None:
    registry = Registry(database, topics=topic_plan(partitions=1))
    registry.publish(bus)
    _release(database, 1)
    _release(database, 2)

    registry.publish(bus)
    registry.publish(bus)

    told = on_bus(bus)
    assert [msgspec.json.decode(each.value, type=Release) for each in told] == [Release(2)] * 2
    assert registry.latest_release() == registry.release(2) == Release(2)
    with pytest.raises(KeyError, match="release 3"):
        registry.release(3)


def _release(database: Database, number: int) -> None:
    """One more release, of the rules that the settings name."""
    row = {"number": number, "restores": 0, "created": "now", "author": "kim"}
    with database.write() as connection:
        connection.execute(insert(schema.releases).values(row))
