"""Starts a server's process, and knows, waits for and ends it by its pid."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

LOOK_SECONDS = 0.02
KILL_SECONDS = 10.0
IN_THE_BACKGROUND = """\
{
    "$@" </dev/null >>"$0" 2>&1 &
    echo $!
    exec >/dev/null 2>&1
    wait
} &
"""
"""The server's parent is a shell that waits for it, so that a killed one is no zombie for long and
whoever started it may end before it or after it."""


def spawn(
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    account: str | None = None,
) -> int:
    """Start a command in a session of its own, its output added to `log`; returns its pid."""
    done = subprocess.run(  # noqa: S603 – a server's own command line
        ["/bin/sh", "-c", IN_THE_BACKGROUND, log, *command],
        env=os.environ | dict(environment or {}),
        start_new_session=True,
        check=True,
        capture_output=True,
        text=True,
        user=account,
        group=account,
        extra_groups=[] if account else None,
    )
    return int(done.stdout)


def alive(pid: int, folder: Path) -> bool:
    """Whether the pid is a living process whose command line names `folder`.

    A pid that went to another process meanwhile, or a zombie, is not alive.
    """
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        if not line:
            return _begins_or_ends(Path(f"/proc/{pid}"))
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
    """End a process without asking, and wait until it is gone.

    Raises:
        TimeoutError: it is still there after 10 s.

    """
    ask(pid, folder, signal.SIGKILL)
    if not wait_for_end(pid, folder, KILL_SECONDS):
        raise TimeoutError(f"process {pid} is still there {KILL_SECONDS:.0f} s after SIGKILL")


def wait_for_end(pid: int, folder: Path, seconds: float) -> bool:
    """Wait for a process to end; False if it has not within `seconds`."""
    deadline = time.monotonic() + seconds
    while alive(pid, folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def _begins_or_ends(process: Path) -> bool:
    """Whether a process without a command line is one just being started, or not quite ended.

    For an instant between two programs there is no command line; a zombie has none either, but
    while it has threads left, they may hold ports and files.
    """
    state = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    return state not in ("Z", "X") or len(list((process / "task").iterdir())) > 1
