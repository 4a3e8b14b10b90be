"""Starts a server's process, and knows, waits for and ends it by its pid."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

LOOK_SECONDS = 0.02
_CHILDREN: list[subprocess.Popen[bytes]] = []
"""What this process started, kept so that an end is noticed and leaves no zombie."""


def spawn(
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    account: str | None = None,
) -> int:
    """Start a command in a session of its own, its output added to `log`; returns its pid."""
    identity = {"user": account, "group": account, "extra_groups": []} if account else {}
    with log.open("ab") as output:
        child = subprocess.Popen(  # noqa: S603 – a server's own command line
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=os.environ | dict(environment or {}),
            start_new_session=True,
            **identity,  # type: ignore[call-overload]
        )
    _CHILDREN.append(child)
    return int(child.pid)


def alive(pid: int, folder: Path) -> bool:
    """Whether the pid is a living process whose command line names `folder`.

    A pid that went to another process meanwhile, or a zombie, is not alive.
    """
    _reap()
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return os.fsencode(f"{folder}/") in line


def ask(pid: int, folder: Path, number: signal.Signals) -> None:
    """Send a signal to a process, if it is still the one that we mean."""
    if not alive(pid, folder):
        return
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def end(pid: int, folder: Path, number: signal.Signals, seconds: float) -> bool:
    """Ask a process to end, and kill it after `seconds`; False if it had to be killed."""
    ask(pid, folder, number)
    kind = wait_for_end(pid, folder, seconds)
    if not kind:
        kill(pid, folder)
    return kind


def kill(pid: int, folder: Path) -> None:
    """End a process without asking, as a power cut would, and wait until it is gone."""
    ask(pid, folder, signal.SIGKILL)
    if not wait_for_end(pid, folder, 10):
        raise TimeoutError(f"process {pid} is still there 10 s after SIGKILL")


def wait_for_end(pid: int, folder: Path, seconds: float) -> bool:
    """Wait for a process to end; False if it has not within `seconds`."""
    deadline = time.monotonic() + seconds
    while alive(pid, folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def _reap() -> None:
    _CHILDREN[:] = [child for child in _CHILDREN if child.poll() is None]
