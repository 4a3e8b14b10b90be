"""A whole citysoc as a process of its own, on free ports, ended by pid."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from deploy.proof.run import free_ports
from tests.leash import leashed

START_SECONDS = 90
CITYSOC = (sys.executable, "-m", "deploy")


class Installation:
    """One `citysoc up`, its output as it comes."""

    def __init__(self, data: Path, port: int, *arguments: str) -> None:
        self.data = data
        self.port = port
        self.process = subprocess.Popen(
            leashed([*CITYSOC, "up", "--port", str(port), "--data", str(data), *arguments]),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            wait_for(lambda: any("Ctrl-C" in line for line in self.lines) or self._ended())
            assert self.process.poll() is None, "".join(self.lines)
        except AssertionError:
            self.process.send_signal(signal.SIGINT)
            raise

    @property
    def logins(self) -> dict[str, str]:
        """User to password, as the terminal shows them."""
        shown = [line.split() for line in self.lines if "sign in as" in line]
        return {words[3]: words[5] for words in shown}

    def stop(self) -> float:
        """Ctrl-C; returns the seconds until it was gone."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        return time.monotonic() - began

    def pids(self) -> dict[str, int]:
        """The stages' processes."""
        pids: dict[str, int] = json.loads((self.data / "pids.json").read_text())
        return pids

    def citysoc(self, *arguments: str) -> str:
        """What a command says about this installation."""
        done = citysoc(*arguments, "--data", str(self.data), "--port", str(self.port))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def alerts(self, tenant: str) -> list[dict[str, Any]]:
        """The tenant's queue."""
        out = self.citysoc("alerts", "list", "--tenant", tenant, "--json")
        return [json.loads(line) for line in out.splitlines()]

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line)

    def _ended(self) -> bool:
        return self.process.poll() is not None


def citysoc(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, as people call it."""
    return subprocess.run([*CITYSOC, *arguments], capture_output=True, text=True)


@contextlib.contextmanager
def running(data: Path, *arguments: str, port: int | None = None) -> Iterator[Installation]:
    """An installation that is gone afterwards, with all its stages."""
    installation = Installation(data, port or free_ports(), *arguments)
    pids = installation.pids()
    try:
        yield installation
    finally:
        if installation.process.poll() is None:
            installation.stop()
        left = [stage for stage, pid in pids.items() if alive(pid)]
        assert left == []


def alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def send(source: dict[str, Any], lines: Iterable[bytes], content: str = "text/plain") -> None:
    """Events through the HTTP door; a new token is known there within seconds."""
    request = urllib.request.Request(
        source["endpoints"]["http"],
        b"\n".join(lines),
        {"Authorization": f"Bearer {source['token']}", "Content-Type": content},
    )
    assert wait_for(lambda: _status(request)) == 202


def _status(request: urllib.request.Request) -> int:
    """What the door answered, 0 where it does not know the token."""
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return 0 if error.code == 401 else error.code


def wait_for(condition: Callable[[], Any], seconds: float = START_SECONDS) -> Any:
    """The condition's first true value. Fails the test when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
    return value
