"""An embedded bus whose time tests set."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from collectors.bus.contract import Retention
from collectors.bus.embedded import EmbeddedBus


class Clock:
    """The bus's time."""

    def __init__(self, start: datetime) -> None:
        self.now = start.timestamp()

    def __call__(self) -> float:
        return self.now

    def go(self, **span: float) -> None:
        self.now += timedelta(**span).total_seconds()


@contextlib.contextmanager
def opened(
    path: Path, clock: Clock, tenants: Sequence[str], kinds: Sequence[str]
) -> Iterator[EmbeddedBus]:
    """A bus with these kinds of topics for each tenant."""
    with contextlib.closing(EmbeddedBus(path, clock=clock)) as bus:
        for tenant in tenants:
            for kind in kinds:
                bus.create_topic(f"{kind}.{tenant}", partitions=1, retention=Retention())
        yield bus
