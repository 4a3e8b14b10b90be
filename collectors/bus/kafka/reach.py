"""Telling a broker that is away from a mistake."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from kafka.errors import BrokerNotAvailableError, KafkaError

from collectors.bus.contract import Overloaded

AGAIN = 0.1

Result = TypeVar("Result")


@contextlib.contextmanager
def reaching(purpose: str) -> Iterator[None]:
    """Raise Overloaded where the cluster could not do it now; other refusals stay as they are."""
    try:
        yield
    except KafkaError as error:
        if error.retriable or isinstance(error, BrokerNotAvailableError):
            raise Overloaded(f"Kafka could not {purpose}: {error}; see the brokers") from error
        raise


def patiently(purpose: str, seconds: float, action: Callable[[], Result]) -> Result:
    """Do it as soon as the cluster can; a new or restarted one finds its groups' brokers late.

    Raises Overloaded when that takes longer than `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            with reaching(purpose):
                return action()
        except Overloaded:
            if time.monotonic() > deadline:
                raise
        time.sleep(AGAIN)
