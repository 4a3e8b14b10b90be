"""What a test session started ends with it, even if it is killed."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 30
CHILD = """
import json, subprocess, sys, time
from tests.leash import leashed
child = subprocess.Popen(leashed([sys.executable, "-c", "import time; time.sleep(600)"]))
print(json.dumps([child.pid]), flush=True)
time.sleep(600)
"""
CITY = """
import json, sys, time
from pathlib import Path
from deploy.proof.run import free_ports
from tests.e2e.installation import Installation
city = Installation(Path(sys.argv[1]), free_ports())
print(json.dumps([city.process.pid, *city.pids().values()]), flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def watched(pids: Sequence[int]) -> Iterator[list[int]]:
    """A descriptor for each process, readable once it has ended."""
    descriptors = [os.pidfd_open(pid) for pid in pids]
    try:
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


@pytest.mark.parametrize("session", [CHILD, CITY], ids=["a child", "an installation"])
def test_a_killed_session_leaves_no_process_behind(tmp_path: Path, session: str) -> None:
    command = [sys.executable, "-c", session, str(tmp_path / "city")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        with watched(json.loads(tests.stdout.readline())) as running:
            assert not select.select(running, [], [], 0)[0]

            tests.send_signal(signal.SIGKILL)

            for each in running:
                assert select.select([each], [], [], SECONDS)[0]
