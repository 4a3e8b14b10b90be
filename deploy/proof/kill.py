"""Kills the detection process at the worst moment: signals sent, their events not yet committed."""

import json
import os
import signal
import time
from pathlib import Path

from collectors.bus.contract import Bus
from deploy.proof.compare import SignalReader

DEADLINE = 300.0
"""Seconds for all kills of one proof."""


class Killer:
    """Ends the detection of one installation by the pid that its supervisor wrote down."""

    def __init__(self, data: Path, bus: Bus, reader: SignalReader) -> None:
        self._pids = data / "pids.json"
        self._bus = bus
        self._reader = reader
        self.kills = 0
        self.with_redelivery = 0

    def kill_until(self, wanted: int) -> None:
        """Kill until `wanted` kills had lag and were followed by a redelivered signal.

        Raises TimeoutError when that did not come about in time.
        """
        deadline = time.monotonic() + DEADLINE
        while self.with_redelivery < wanted:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{self.with_redelivery} of {wanted} kills hit a batch in flight; "
                    f"{self.kills} tried: send more events"
                )
            self._kill_in_flight(deadline)

    def _kill_in_flight(self, deadline: float) -> None:
        pid = self._wait_for_signals(deadline)
        os.kill(pid, signal.SIGSTOP)
        lag = self._bus.group_lag().get("detection")
        if lag is None or not lag.records:
            os.kill(pid, signal.SIGCONT)
            return
        os.kill(pid, signal.SIGKILL)
        self.kills += 1
        if self._redelivers(pid, deadline):
            self.with_redelivery += 1

    def _wait_for_signals(self, deadline: float) -> int:
        """Return as soon as the signals log grows, with the pid of who wrote it."""
        self._reader.read(0)
        before = self._ends()
        while time.monotonic() < deadline:
            if self._ends() != before:
                return self._pid()
        raise TimeoutError("no more signals came; send more events")

    def _redelivers(self, killed: int, deadline: float) -> bool:
        """Whether the next process says again what the killed one had said."""
        told = self._reader.again
        self._reader.read_to_the_end()
        while self._pid() == killed:
            _wait(deadline)
        fresh = len(self._reader.signals)
        while self._reader.again == told and len(self._reader.signals) == fresh:
            self._reader.read(0.1)
            if time.monotonic() > deadline:
                return False
        return self._reader.again > told

    def _ends(self) -> list[int]:
        names = [name for name in self._bus.topics() if name.startswith("signals.")]
        return [end for name in names for _, end in self._bus.ends(name)]

    def _pid(self) -> int:
        return int(json.loads(self._pids.read_text())["detection"] or 0)


def _wait(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TimeoutError("detection was not started again")
    time.sleep(0.05)
