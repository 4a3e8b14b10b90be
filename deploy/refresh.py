"""Brings changes of the registry to a running stage: looks once a second, tells what changed."""

import threading
from collections.abc import Callable

import structlog

from collectors.bus.contract import Overloaded
from tenants.registry import Registry

LOOK_SECONDS = 1.0
LOG = structlog.get_logger()


def follow(registry: Registry, changed: Callable[[], None], stop: threading.Event) -> None:
    """Call `changed` now, before returning, and from a thread after every later change.

    What is in force stays so while the registry can't be asked; the change comes when it can.
    """
    seen = -1

    def look() -> bool:
        nonlocal seen
        try:
            latest = registry.version()
            if latest != seen:
                changed()
                seen = latest
        except Overloaded as error:
            LOG.warning("changes can't be brought in, going on as before", reason=str(error))
            return False
        return True

    def look_on() -> None:
        while not stop.wait(LOOK_SECONDS):
            look()

    while not look() and not stop.wait(LOOK_SECONDS):
        pass
    guard(look_on, stop, "registry").start()


def guard(work: Callable[[], None], stop: threading.Event, name: str) -> threading.Thread:
    """A thread for `work`; an exception that gets out of it is a bug and stops the whole stage."""

    def run() -> None:
        try:
            work()
        finally:
            if not stop.is_set():
                LOG.error("a part of the stage ended, so the stage ends", part=name)
                FAILED.set()
                stop.set()

    return threading.Thread(target=run, name=name, daemon=True)


FAILED = threading.Event()
"""Set where a stage ends because a part of it did."""
