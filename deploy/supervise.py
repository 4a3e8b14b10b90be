"""Starts each stage as a child process, starts again what dies, and stops them all by pid."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import structlog

LOG = structlog.get_logger()
STOP_SECONDS = 4.0
"""A stage that has not stopped by then is killed."""
LONGEST_WAIT = 30.0
STEADY_SECONDS = 5.0
"""A stage that has lived so long is started again without the wait of those that keep dying."""
LOG_BYTES = 20 * 1024 * 1024
SUPERVISED = "CITYSOC_SUPERVISED"


class Child:
    """One worker of a stage, whatever its incarnation."""

    def __init__(
        self, name: str, stage: str, worker: int, command: Sequence[str], log: Path
    ) -> None:
        self.name = name
        self.stage = stage
        self.worker = worker
        self._command = command
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._starts = 0
        self._wait = 0.5
        self._due = 0.0

    @property
    def pid(self) -> int | None:
        """The process, None while there is none."""
        return self._process.pid if self._process else None

    @property
    def restarts(self) -> int:
        """How often it had to be started again."""
        return max(0, self._starts - 1)

    def start(self) -> None:
        """Start it; its end of life is tied to ours by the pipe on its standard input."""
        with self._open_log() as log:
            self._process = subprocess.Popen(  # noqa: S603 – our own interpreter and module
                self._command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=os.environ | {SUPERVISED: "1"},
                start_new_session=True,
            )
        self._started = time.monotonic()
        self._starts += 1

    def look(self) -> None:
        """Start it again if it died, after a wait that doubles while it keeps dying."""
        now = time.monotonic()
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                if now - self._started > STEADY_SECONDS:
                    self._wait = 0.5
                return
            LOG.error("stage ended", stage=self.name, code=code, again_in=self._wait)
            self._release()
            self._due = now + self._wait
            self._wait = min(self._wait * 2, LONGEST_WAIT)
        if now >= self._due:
            self.start()

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def end(self, deadline: float) -> None:
        """Wait for it until `deadline` (monotonic seconds), then kill it."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            LOG.error("stage killed, it did not stop in time", stage=self.name)
            self._process.kill()
            self._process.wait()
        self._release()

    def _release(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process = None

    def _open_log(self) -> IO[bytes]:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        if self._log.exists() and self._log.stat().st_size > LOG_BYTES:
            self._log.replace(self._log.with_suffix(".1.jsonl"))
        return self._log.open("ab")


class Supervisor:
    """All stages of one installation."""

    def __init__(self, data: Path, workers: Mapping[str, int], arguments: Sequence[str]) -> None:
        """`workers` says how many processes there are of each stage."""
        self._pids = data / "pids.json"
        self.children = [
            _child(data, stage, worker, arguments)
            for stage, count in workers.items()
            for worker in range(1, count + 1)
        ]

    def start(self) -> None:
        """Start every stage."""
        for child in self.children:
            child.start()
        self._write_pids()

    def look(self) -> None:
        """Start again what died."""
        before = [child.pid for child in self.children]
        for child in self.children:
            child.look()
        if before != [child.pid for child in self.children]:
            self._write_pids()

    def stop(self) -> None:
        """Stop every stage, kindly and then not."""
        deadline = time.monotonic() + STOP_SECONDS
        for child in self.children:
            child.ask_to_stop()
        for child in self.children:
            child.end(deadline)
        self._pids.unlink(missing_ok=True)

    def _write_pids(self) -> None:
        fresh = self._pids.with_suffix(".new")
        fresh.write_text(json.dumps({child.name: child.pid for child in self.children}))
        fresh.replace(self._pids)


def _child(data: Path, stage: str, worker: int, arguments: Sequence[str]) -> Child:
    name = stage if worker == 1 else f"{stage}-{worker}"
    command = [sys.executable, "-m", "deploy", "run", stage, *arguments]
    if worker > 1:
        command += ["--worker", str(worker)]
    return Child(name, stage, worker, command, data / "logs" / f"{name}.jsonl")


def stop_signal() -> threading.Event:
    """Set on SIGTERM or SIGINT and, in a supervised stage, when the supervisor is gone."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if os.environ.get(SUPERVISED) == "1":

        def wait_for_the_supervisor() -> None:
            while os.read(0, 1):
                pass
            stop.set()

        threading.Thread(target=wait_for_the_supervisor, daemon=True).start()
    return stop
