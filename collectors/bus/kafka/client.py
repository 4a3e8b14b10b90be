"""Makes clients of kafka-python; one that can't reach the cluster leaves nothing running."""

from collections.abc import Callable
from typing import Any, TypeVar

from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient

Made = TypeVar("Made")


class _Net(KafkaNetClient):  # type: ignore[misc]  # kafka-python has no types
    """A client's connections and the thread that serves them."""

    def abandon(self) -> None:
        """End both; kafka-python does so for a client that was made, not for one that failed."""
        self._net.stop()
        self.close()


def connected(kind: Callable[..., Made], **options: Any) -> Made:
    """A client of this kind. Raises what it raises, without its thread trying on for ever."""
    nets: list[_Net] = []

    def net(**configs: Any) -> _Net:
        nets.append(_Net(**configs))
        return nets[-1]

    try:
        return kind(kafka_client=net, **options)
    except KafkaError:
        for each in nets:
            each.abandon()
        raise
