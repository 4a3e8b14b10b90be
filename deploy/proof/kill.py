"""Kills what does the work, by pid, at bad moments: a batch in flight, the broker in use."""

import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from collectors.bus.contract import Bus, Partition, Position
from deploy.proof.compare import SignalReader
from deploy.proof.patience import insist

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
        pid = self._stop_between_flush_and_commit(deadline)
        os.kill(pid, signal.SIGKILL)
        self.kills += 1
        if self._redelivers(pid, deadline):
            self.with_redelivery += 1

    def _stop_between_flush_and_commit(self, deadline: float) -> int:
        """Stop the process where its signals have been sent and its position not yet; its pid."""
        ends, stored = self._ends(), self._stored()
        while time.monotonic() < deadline:
            ends_before, ends = ends, self._ends()
            stored_before, stored = stored, self._stored()
            if ends == ends_before or stored != stored_before:
                continue
            pid = self._pid()
            os.kill(pid, signal.SIGSTOP)
            if self._stored() == stored and self._lag():
                return pid
            os.kill(pid, signal.SIGCONT)
        raise TimeoutError("no batch was in flight any more; send more events")

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

    def _lag(self) -> int:
        lag = self._bus.group_lag().get("detection")
        return lag.records if lag else 0

    def _stored(self) -> Mapping[Partition, Position]:
        return self._bus.positions("detection")

    def _ends(self) -> list[int]:
        names = [name for name in self._bus.topics() if name.startswith("signals.")]
        return [end for name in names for _, end in self._bus.ends(name)]

    def _pid(self) -> int:
        return int(json.loads(self._pids.read_text())["detection"] or 0)


def _wait(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TimeoutError("detection was not started again")
    time.sleep(0.05)


def kill_in_turn(data: Path, bus: Bus, restart_broker: Callable[[], None]) -> dict[str, int]:
    """Kill a detection worker, the broker and the indexer, each with work waiting.

    Returns how many records waited at each kill. Raises TimeoutError when there was none any more.
    """
    waiting = {}
    for stage in ("detection", "indexer"):
        waiting[stage] = _await_lag(bus, stage)
        pid = int(json.loads((data / "pids.json").read_text())[stage])
        os.kill(pid, signal.SIGKILL)
        if stage == "detection":
            waiting["broker"] = _await_lag(bus, "indexer")
            restart_broker()
    return waiting


def _await_lag(bus: Bus, group: str) -> int:
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        lag = insist(bus.group_lag).get(group)
        if lag is not None and lag.records:
            return lag.records
        time.sleep(0.02)
    raise TimeoutError(f"nothing waits for {group}; send more events")
