"""On a broker that asks for passwords and permissions: a partner reaches its own topic only."""

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import UserScramCredentialUpsertion
from kafka.errors import TopicAuthorizationFailedError

from collectors.bus.contract import NoTopic, Partition, Position, Retention
from collectors.bus.kafka import KafkaBus, KafkaSettings
from collectors.bus.kafka.access import Access, acl
from collectors.bus.kafka.grants import Grant, due
from deploy.local.servers import Running
from tests.contract.bus_kit import collect, commit, send, values, wait_for

PASSWORD = "loopback only"


@dataclass(frozen=True)
class City:
    """A broker with two tenants, whose ids are new in each test."""

    server: Running
    folder: Path
    prefix: str
    council: str
    school: str

    @property
    def tenants(self) -> tuple[str, str]:
        return self.council, self.school

    def settings(self, user: str, password: str = PASSWORD) -> KafkaSettings:
        secret = self.folder / f"{user}.password"
        secret.write_text(password)
        return KafkaSettings(
            servers=self.server.kafka_sasl,
            prefix=self.prefix,
            security="SASL_PLAINTEXT",
            user=user,
            password_file=secret,
            session=6,
            look=0.5,
        )

    @property
    def administrator(self) -> KafkaSettings:
        return self.settings(*self.server.kafka_administrator)

    def sign_up(self, *users: str) -> None:
        with contextlib.closing(KafkaAdminClient(**self.administrator.client())) as admin:
            answers = admin.alter_user_scram_credentials(
                [UserScramCredentialUpsertion(user, "SCRAM-SHA-512", PASSWORD) for user in users]
            )
        assert set(answers.values()) == {None}

    @contextlib.contextmanager
    def bus(self, user: str) -> Iterator[KafkaBus]:
        with contextlib.closing(KafkaBus(self.settings(user))) as bus:
            yield bus


@pytest.fixture
def city(kafka_server: Running, tmp_path: Path) -> Iterator[City]:
    mark = uuid.uuid4().hex[:10]
    city = City(kafka_server, tmp_path, f"{mark}.", f"council{mark}", f"school{mark}")
    with contextlib.closing(KafkaBus(city.administrator)) as bus:
        for tenant in city.tenants:
            for kind in ("events", "signals", "alerts", "behaviour", "dead"):
                bus.create_topic(f"{kind}.{tenant}", partitions=1, retention=Retention())
    yield city
    with contextlib.closing(Access(city.administrator)) as access:
        access.bring([])


@pytest.fixture
def access(city: City) -> Iterator[Access]:
    with contextlib.closing(Access(city.administrator)) as opened:
        opened.bring(city.tenants)
        wait_for(lambda: not opened.survey(city.tenants).missing)
        yield opened


@pytest.fixture
def partner(city: City, access: Access) -> str:
    city.sign_up(city.council)
    return city.council


def test_a_partner_writes_to_its_own_topic(city: City, partner: str) -> None:
    with city.bus(partner) as bus:
        send(bus, f"events.{partner}", b"{}")

    with contextlib.closing(KafkaBus(city.administrator)) as bus:
        assert bus.ends(f"events.{partner}") == [(0, 1)]


@pytest.mark.parametrize("kind", ["events", "signals", "alerts", "behaviour", "dead"])
def test_a_partner_is_refused_at_another_ones_topics(city: City, partner: str, kind: str) -> None:
    client = KafkaProducer(**city.settings(partner).client(), max_block_ms=10_000)
    with contextlib.closing(client), pytest.raises(TopicAuthorizationFailedError):
        client.send(f"{city.prefix}{kind}.{city.school}", b"{}", partition=0).get(10)

    with contextlib.closing(KafkaBus(city.administrator)) as bus:
        assert bus.ends(f"{kind}.{city.school}") == [(0, 0)]


def test_a_partner_does_not_learn_which_topics_others_have(city: City, partner: str) -> None:
    with city.bus(partner) as bus:
        assert set(bus.topics()) == {f"events.{partner}"}
        with contextlib.closing(bus.producer()) as producer, pytest.raises(NoTopic):
            producer.send(f"events.{city.school}", b"{}")


def test_a_partner_reads_nothing_not_even_its_own(city: City, partner: str) -> None:
    client = KafkaConsumer(
        **city.settings(partner).client(), group_id=None, auto_offset_reset="earliest"
    )
    with contextlib.closing(client):
        client.assign([TopicPartition(f"{city.prefix}events.{partner}", 0)])
        with pytest.raises(TopicAuthorizationFailedError):
            wait_for(lambda: client.poll(timeout_ms=200))


def test_a_tenant_who_has_left_is_refused(city: City, partner: str, access: Access) -> None:
    found = access.bring([city.school])
    wait_for(lambda: not access.survey([city.school]).surplus)

    assert {grant.principal for grant in found.surplus} == {f"User:{partner}"}
    with (
        city.bus(partner) as bus,
        contextlib.closing(bus.producer()) as producer,
        pytest.raises(NoTopic),
    ):
        producer.send(f"events.{partner}", b"{}")
    assert access.survey([city.school])[1:] == ((), (), ())


def test_stages_do_their_work_with_what_they_are_given(city: City, access: Access) -> None:
    stages = ("collectors", "detection", "correlation", "anomaly", "serve", "indexer")
    city.sign_up(*(f"citysoc-{stage}" for stage in stages))
    place = Partition(f"events.{city.council}", 0)
    with city.bus("citysoc-collectors") as bus:
        bus.create_topic(f"events.{city.council}", partitions=2, retention=Retention(bytes=0))
        send(bus, f"events.{city.council}", b"seen")

    for stage, group, reads, writes in (
        ("detection", "detection", "events.", "signals."),
        ("correlation", "correlation", "signals.", "alerts."),
        ("anomaly", "anomaly", "events.", "behaviour."),
        ("anomaly", "anomaly-behaviour", "behaviour.", "dead."),
        ("serve", "triage", "alerts.", "events."),
        ("indexer", "indexer", "events.", "dead."),
    ):
        with (
            city.bus(f"citysoc-{stage}") as bus,
            contextlib.closing(bus.consumer(group, reads)) as consumer,
        ):
            records = collect(consumer, 1)
            assert values(records) == [b"seen"]
            commit(consumer, records)
            assert consumer.committed(records[0].partition) == Position(1)
            assert consumer.lag()[records[0].partition].records == 0
            if writes != "events.":
                send(bus, f"{writes}{city.council}", b"seen")
            if stage == "indexer":
                assert bus.enforce_retention() == 1

    with contextlib.closing(KafkaBus(city.administrator)) as bus:
        assert bus.ends(place.topic)[0] == (1, 1)


def test_a_stage_is_refused_where_its_work_does_not_lead(city: City, access: Access) -> None:
    city.sign_up("citysoc-detection")

    with city.bus("citysoc-detection") as bus:
        assert not [name for name in bus.topics() if name.startswith("alerts.")]
        with contextlib.closing(bus.producer()) as producer, pytest.raises(NoTopic):
            producer.send(f"alerts.{city.council}", b"{}")


@pytest.mark.parametrize("name", ["*", "a", "Council", "council.x", "citysoc-detection"])
def test_what_is_no_tenant_is_given_nothing(access: Access, name: str) -> None:
    with pytest.raises(ValueError, match="tenant's id"):
        access.bring([name])


def test_what_somebody_else_has_allowed_is_shown_and_stays(city: City, access: Access) -> None:
    strange = Grant("User:visitor", "READ", "topic", f"{city.prefix}ev", prefixed=True)
    harmless = strange._replace(name=f"{city.prefix}else")
    with contextlib.closing(KafkaAdminClient(**city.administrator.client())) as admin:
        assert not admin.create_acls([acl(strange), acl(harmless)])["failed"]
        wait_for(lambda: access.survey(city.tenants).strange)

        found = access.bring(city.tenants)
        after = access.survey(city.tenants)

    assert found.strange == after.strange == (strange,)
    assert set(after.right) == due(city.tenants, prefix=city.prefix)
