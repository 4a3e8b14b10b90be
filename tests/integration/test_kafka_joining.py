"""A group on Kafka comes to rest, however its members' polls fall."""

import contextlib
import uuid
from collections.abc import Sequence

from kafka.structs import MemberState

from collectors.bus.contract import Retention
from collectors.bus.kafka import KafkaBus, KafkaSettings
from collectors.bus.kafka.consumer import KafkaBusConsumer
from deploy.local.servers import Running
from tests.contract.bus_kit import wait_for


def joining(consumer: KafkaBusConsumer) -> bool:
    """Whether the broker has yet to answer its request to join."""
    task = consumer._member._coordinator._join_task
    return task is not None and not task.is_done


def shares(members: Sequence[KafkaBusConsumer]) -> list[int]:
    return sorted(len(member.assigned()) for member in members)


def test_a_join_that_ends_between_two_polls_is_not_made_again(kafka_server: Running) -> None:
    settings = KafkaSettings(
        servers=kafka_server.kafka, prefix=f"{uuid.uuid4().hex[:8]}.", session=6, look=0.5
    )
    with contextlib.closing(KafkaBus(settings)) as bus, contextlib.ExitStack() as closing:
        bus.create_topic("events.school", partitions=4, retention=Retention())
        members = [
            closing.enter_context(contextlib.closing(bus.consumer("g", "events."))) for _ in "123"
        ]
        first, second, third = members
        wait_for(lambda: shares([first, second]) == [2, 2], first, second)
        wait_for(lambda: joining(third), third)
        wait_for(lambda: joining(first), first)

        wait_for(lambda: not joining(first), second)
        first.poll(0)

        # it leads the group: were it to join again, so would all others
        assert first._member.group_metadata().state is MemberState.STABLE
        wait_for(lambda: shares(members) == [1, 1, 2], *members)


def test_a_leader_whose_join_for_a_new_topic_ends_between_two_polls_stays_in_the_group(
    kafka_server: Running,
) -> None:
    settings = KafkaSettings(
        servers=kafka_server.kafka, prefix=f"{uuid.uuid4().hex[:8]}.", session=6, look=0.2
    )
    with contextlib.closing(KafkaBus(settings)) as bus, contextlib.ExitStack() as closing:
        bus.create_topic("events.school", partitions=2, retention=Retention())
        leader = closing.enter_context(contextlib.closing(bus.consumer("g", "events.")))
        wait_for(lambda: shares([leader]) == [2], leader)
        other = closing.enter_context(contextlib.closing(bus.consumer("g", "events.")))
        wait_for(lambda: shares([leader, other]) == [1, 1], leader, other)

        bus.create_topic("events.council", partitions=2, retention=Retention())
        wait_for(lambda: joining(leader), leader)
        wait_for(lambda: not joining(leader), other)

        wait_for(lambda: shares([leader, other]) == [2, 2], leader, other)
        assert leader._member.group_metadata().state is MemberState.STABLE
