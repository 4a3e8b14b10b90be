"""Who is at the other end of the file: a name for this process, and whether another has ended."""

import functools
import os
import socket
from pathlib import Path


@functools.cache
def _system() -> str:
    """This machine and its process numbering: containers that share a file differ in it."""
    try:
        numbering = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        numbering = ""
    return f"{socket.gethostname()} {numbering}"


def this_process() -> str:
    """A name that no other process has, of this machine or another."""
    return f"{_system()}|{os.getpid()}|{_started(os.getpid()) or ''}"


def has_ended(process: str) -> bool:
    """Whether a process named by this_process() is known to be gone; False where nobody can say."""
    system, _, rest = process.partition("|")
    number, _, started = rest.partition("|")
    if system != _system():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return bool(started) and _started(int(number)) != started


def _started(number: int) -> str | None:
    """Ticks from boot to the start of a process; None once it has ended, or without /proc."""
    try:
        stat = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # the name in parentheses may hold anything, so count from its end
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]
