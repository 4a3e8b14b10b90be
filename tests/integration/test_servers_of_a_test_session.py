"""A test session's servers are one set, and end with it, however it ends."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.test_local_servers import processes_of, wait_until

ROOT = Path(__file__).parents[2]
TESTS = """
import pathlib, time, pytest
from tests.servers import postgresql_server, session

@pytest.mark.parametrize("number", range(2))
def test_it(number, postgresql_server):
    note = f"{postgresql_server.folder} {postgresql_server.pids['postgresql']}"
    pathlib.Path(__file__).with_name(f"note-{number}").write_text(note)
    %s
"""

PYTEST = """
import signal, sys, pytest
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored
sys.exit(pytest.main(sys.argv[1:]))
"""


def run(folder: Path, body: str) -> subprocess.Popen[str]:
    """Start a test session of two workers whose tests use the database, then do `body`."""
    (folder / "test_session.py").write_text(TESTS % body)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-c", PYTEST, "-p", "tests.servers", "-p", "no:cacheprovider"]
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.Popen(
        [*command, "-n", "2", "test_session.py"],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def notes(folder: Path) -> list[str]:
    return [path.read_text() for path in folder.glob("note-*") if path.read_text()]


def test_workers_share_one_database_which_ends_with_a_failed_session(tmp_path: Path) -> None:
    with run(tmp_path, "assert False") as child:
        output, _ = child.communicate(timeout=120)

    assert "2 failed" in output
    first, second = notes(tmp_path)
    assert first == second
    folder = Path(first.split()[0])
    wait_until(lambda: not processes_of(folder))
    assert not folder.exists()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_database_ends_with_a_session_that_is_broken_off(
    tmp_path: Path, how: signal.Signals
) -> None:
    with run(tmp_path, "time.sleep(120)") as child:
        wait_until(lambda: len(notes(tmp_path)) > 0, seconds=120)
        folder = Path(notes(tmp_path)[0].split()[0])
        assert processes_of(folder)

        child.send_signal(how)

        child.communicate(timeout=60)
    wait_until(lambda: not processes_of(folder))
    shutil.rmtree(folder, ignore_errors=True)
