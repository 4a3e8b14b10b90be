"""Watches how full the disk is: says so early, and closes the doors before it is too late."""

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from collectors import metrics
from collectors.bus.contract import Overloaded, Producer, Producers
from deploy.settings import SpaceSettings

LOOK_SECONDS = 5.0
LOG = structlog.get_logger()


class Space:
    """How full the disk of a folder is, asked at most every LOOK_SECONDS."""

    def __init__(
        self,
        folder: Path,
        limits: SpaceSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[Path], float] | None = None,
    ) -> None:
        self._folder = folder
        self._limits = limits
        self._clock = clock
        self._used = used or used_share
        self._due = clock()
        self._share = 0.0
        self._said = ""

    def look(self) -> float:
        """The share used, in hundredths; logs when a limit is passed, either way."""
        if self._clock() >= self._due:
            self._due = self._clock() + LOOK_SECONDS
            self._share = self._used(self._folder)
            metrics.SPACE_USED.set(self._share / 100)
            self._say(_state(self._share, self._limits))
        return self._share

    def require(self) -> None:
        """Raise Overloaded while the disk is too full to take anything in."""
        if self.look() >= self._limits.refuse:
            raise Overloaded(
                f"the disk is {self._share:.0f} % full; "
                f"nothing is taken in from {self._limits.refuse} % on"
            )

    def _say(self, state: str) -> None:
        if state == self._said:
            return
        self._said = state
        log = {"": LOG.info, "warning": LOG.warning}.get(state, LOG.error)
        log("disk space", used_percent=round(self._share), state=state or "enough")


def used_share(folder: Path) -> float:
    """Hundredths of the file system that are used, as those without privileges see it."""
    usage = shutil.disk_usage(folder)
    return 100 * usage.used / (usage.used + usage.free)


def _state(share: float, limits: SpaceSettings) -> str:
    if share >= limits.refuse:
        return "refusing"
    if share >= limits.alarm:
        return "alarm"
    return "warning" if share >= limits.warn else ""


class GuardedProducer:
    """A producer that begins nothing while the disk is too full; what is begun is ended."""

    def __init__(self, producer: Producer, space: Space) -> None:
        self._producer = producer
        self._space = space
        self._begun = False
        self.close = producer.close

    def send(
        self,
        topic: str,
        value: bytes,
        *,
        key: str = "",
        headers: Mapping[str, str] | None = None,
        partition: int | None = None,
    ) -> None:
        """See Producer."""
        if not self._begun:
            self._space.require()
        self._begun = True
        self._producer.send(topic, value, key=key, headers=headers, partition=partition)

    def flush(self) -> None:
        """See Producer."""
        self._begun = False
        self._producer.flush()


class GuardedBus:
    """What the doors get of a bus: producers that mind the space."""

    def __init__(self, bus: Producers, space: Space) -> None:
        self._bus = bus
        self._space = space

    def producer(self) -> Producer:
        """See Producers."""
        return GuardedProducer(self._bus.producer(), self._space)


def watch(space: Space, stop: threading.Event) -> None:
    """Look until `stop`, also on a quiet night."""
    while not stop.wait(LOOK_SECONDS):
        space.look()
