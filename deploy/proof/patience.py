"""Waiting for a broker that the proof itself has killed."""

import time
from collections.abc import Callable
from typing import TypeVar

from collectors.bus.contract import Overloaded

Result = TypeVar("Result")
PATIENCE = 120.0


def insist(action: Callable[[], Result], seconds: float = PATIENCE) -> Result:
    """Do it as soon as it can be done; raises Overloaded when that takes longer."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except Overloaded:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)
