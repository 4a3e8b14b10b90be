"""Stops the servers of a folder when the process that they are for has ended, however it ended."""

import os
import select
import sys
from pathlib import Path

from deploy.local.servers import stop


def main() -> None:
    """Wait for the end of process argv[2], then stop what runs in folder argv[1]."""
    folder, owner = Path(sys.argv[1]), int(sys.argv[2])
    try:
        watched = os.pidfd_open(owner)
    except ProcessLookupError:
        stop(folder)
        return
    select.select([watched], [], [])
    stop(folder)


if __name__ == "__main__":
    main()
