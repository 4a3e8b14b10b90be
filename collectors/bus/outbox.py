"""What a stage has to send for a batch, kept until the bus has all of it."""

from collections.abc import Mapping
from typing import NamedTuple

import structlog

from collectors.bus.contract import NoTopic, Overloaded, Producer

log = structlog.get_logger()


class Letter(NamedTuple):
    """One record to be sent."""

    topic: str
    value: bytes
    key: str = ""
    headers: Mapping[str, str] | None = None


class Outbox:
    """Records put here are sent by flush(), and sent again whole where a flush failed."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._letters: list[Letter] = []

    def put(self, *letters: Letter) -> None:
        """Keep these for the next flush."""
        self._letters.extend(letters)

    def flush(self) -> None:
        """Return once everything is durable. Raises Overloaded and keeps everything otherwise.

        What is for a topic that is no more (its tenant has left) is dropped.
        """
        for letter in self._letters:
            try:
                self._send(letter)
            except NoTopic as gone:
                log.warning("letter_dropped", topic=letter.topic, reason=str(gone))
        self._producer.flush()
        self._letters.clear()

    def _send(self, letter: Letter) -> None:
        def send() -> None:
            self._producer.send(letter.topic, letter.value, key=letter.key, headers=letter.headers)

        try:
            send()
        except Overloaded:
            # the producer's buffer holds less than the batch
            self._producer.flush()
            send()
