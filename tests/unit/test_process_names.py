"""Telling a process that has ended from one that has not."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from collectors.bus.embedded.process import has_ended, this_process

ROOT = Path(__file__).parents[2]
NAMED = (
    "from collectors.bus.embedded.process import this_process\n"
    "print(this_process(), flush=True)\ninput()"
)


def test_this_process_has_not_ended() -> None:
    assert not has_ended(this_process())


def test_a_killed_process_has_ended_before_and_after_its_parent_knows() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", NAMED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as child:
        assert child.stdout is not None
        name = child.stdout.readline().strip()
        alive = not has_ended(name)

        child.kill()
        deadline = time.monotonic() + 20
        while not has_ended(name) and time.monotonic() < deadline:
            pass
        ended_before_its_parent_asked = has_ended(name)
        child.wait()

        assert alive
        assert ended_before_its_parent_asked
        assert has_ended(name)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_number_that_another_process_has_now_is_another_process() -> None:
    system, number, started = this_process().split("|")

    assert has_ended(f"{system}|{number}|{int(started) - 1}")


def test_nobody_can_say_of_another_machine() -> None:
    _, number, started = this_process().split("|")

    assert not has_ended(f"elsewhere pid:[1]|{number}|{started}")
