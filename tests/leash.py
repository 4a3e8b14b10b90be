"""Ties a process that a test starts to the test's own: it is told to stop when that has ended.

`python tests/leash.py OWNER COMMAND…` becomes COMMAND; the kernel sends it SIGTERM when its parent
OWNER is gone, killed or not.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def leashed(command: Sequence[str]) -> list[str]:
    """The command, to be started by the thread that will outlive it."""
    return [sys.executable, "-S", "-E", __file__, str(os.getpid()), *command]


def main(owner: int, command: Sequence[str]) -> None:
    """Become the command."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM):
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() == owner:  # else it went before we asked
        os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
