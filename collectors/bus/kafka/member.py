"""kafka-python's consumer, made to stop where partitions move."""

from collections.abc import Collection
from typing import Any, Literal, NamedTuple

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.structs import MemberState


class Move(NamedTuple):
    """Partitions that have come or gone."""

    kind: Literal["came", "gone"]
    places: frozenset[TopicPartition]


class Moved(Exception):
    """A poll ended early, because there are moves to act upon first."""


class Member(KafkaConsumer):  # type: ignore[misc]  # kafka-python has no types
    """A consumer that notes moves and polls no further until they are acted upon.

    kafka-python calls listeners on its own thread, where nothing may block, and joins again within
    the same poll; a partition would be somebody else's before its last position is stored.
    """

    def __init__(self, **settings: Any) -> None:
        self.moves: list[Move] = []
        super().__init__(**settings)
        self._join_anew = self._coordinator.join_group_async
        self._coordinator.join_group_async = self._join
        self._must_rejoin = self._coordinator.need_rejoin
        self._coordinator.need_rejoin = self._need_rejoin

    @property
    def unsettled(self) -> bool:
        """Whether the group is to share out anew, or is at it."""
        return self._need_rejoin()

    @property
    def out(self) -> bool:
        """Whether the group counts us no longer among its members."""
        return self.group_metadata().state is MemberState.UNJOINED

    def _need_rejoin(self) -> bool:
        """Whether a join is due, or one has begun whose outcome has not been taken.

        kafka-python asks the first alone. A leader that has shared out anew, because topics came,
        needs no other join: it would never take what this one brought, and never be heard again.
        """
        return bool(self._must_rejoin() or self._coordinator.rebalance_in_progress())

    async def _join(self, timeout_ms: float | None = None) -> Any:
        """Join, or take what a join has brought that ended between two polls.

        kafka-python would drop it and join again, which makes all others join again: where they
        poll at different times the group would never come to rest.
        """
        coordinator = self._coordinator
        ended = coordinator._join_task  # noqa: SLF001 – kafka-python shows it nowhere else
        succeeded = ended is not None and ended.is_done and ended.exception is None
        if succeeded and coordinator.state is MemberState.REBALANCING:
            later = coordinator._manager.call_soon(_outcome, ended)  # noqa: SLF001
            coordinator._join_task = later  # noqa: SLF001
        return await self._join_anew(timeout_ms=timeout_ms)

    def _poll_once(self, timer: Any, max_records: int, update_offsets: bool = True) -> Any:
        if self.moves:
            raise Moved
        return super()._poll_once(timer, max_records, update_offsets=update_offsets)


async def _outcome(ended: Any) -> Any:
    return await ended


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Notes what moves; called by kafka-python's thread while poll() waits."""

    def __init__(self, member: Member) -> None:
        self._member = member

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Nothing is read of what came before its new owner has begun it."""
        self._member.pause(*assigned)
        self._member.moves.append(Move("came", frozenset(assigned)))

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """The group waits for us with these."""
        self._member.moves.append(Move("gone", frozenset(revoked)))

    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        """The group has not waited."""
        self._member.moves.append(Move("gone", frozenset(lost)))
