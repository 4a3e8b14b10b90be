"""The commands and names that collectors/README.md gives to partners, as written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.door_kit import LOCAL, Doors, route

ROOT = Path(__file__).parents[2]
README = (ROOT / "collectors" / "README.md").read_text("utf-8")
PLAIN = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
SYSLOG = re.findall(r"```sh syslog\n(.*?)```", README, re.DOTALL)
REPLAY = re.findall(r"```sh replay\n(.*?)```", README, re.DOTALL)


def run(command: str, folder: Path, doors: Doors) -> subprocess.CompletedProcess[str]:
    """Run one block in a folder with the files that the examples name."""
    (folder / "access.log").write_bytes(
        b'192.0.2.7 - - [24/Nov/2026:11:59:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl"\n' * 3
    )
    (folder / "events.ndjson").write_bytes(b'{"a":1}\n{"a":2}\n')
    environment = {
        "CITYSOC": f"http://{LOCAL}:{doors.ports.ingest}",
        "TOKEN": "bank-web",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(("number", "events"), list(enumerate([3, 1, 2])))
def test_the_curl_commands_work_as_written(
    doors: Doors, tmp_path: Path, number: int, events: int
) -> None:
    done = run(PLAIN[number], tmp_path, doors)

    assert done.returncode == 0, done.stderr
    assert f'"accepted":{events},"unparsed":0' in done.stdout
    assert len(doors.events()) == events


def test_every_plain_command_is_run_by_a_test() -> None:
    assert (len(PLAIN), len(SYSLOG), len(REPLAY)) == (3, 1, 1)


def test_the_replay_command_works_as_written(doors: Doors, tmp_path: Path) -> None:
    done = run(REPLAY[0], tmp_path, doors)

    assert done.returncode == 0, done.stderr
    assert len(doors.events()) == 5


def test_the_logger_command_works_as_written(doors: Doors, tmp_path: Path) -> None:
    (port,) = doors.open_syslog(route("bank", "gate", slot=0, senders=("127.0.0.1",)))

    done = run(SYSLOG[0].replace("8610", str(port)), tmp_path, doors)

    assert done.returncode == 0, done.stderr
    ((fields, _),) = doors.wait_for_events(1)
    assert fields["message"].startswith("hello from ")


def test_every_reason_for_a_refusal_is_explained_and_exists() -> None:
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "collectors").rglob("*.py"))
    given = set(
        re.findall(r'labels\(\s*"(?:http|syslog)", "(\w+)"', sources)
        + re.findall(r'_refuse\(\s*(?:\d+, )?"(\w+)"', sources)
        + re.findall(r'Refusal\(\s*\d+,\s*"(\w+)"', sources)
    )
    table = README.partition("`citysoc_door_refused_total` reason")[2]
    first_cells = "".join(line.split("|")[1] for line in table.splitlines() if line.count("|") > 2)

    assert set(re.findall(r"`(\w+)`", first_cells)) == given


def test_every_mark_of_an_event_is_explained() -> None:
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "collectors").rglob("*.py"))
    table = README.partition("| mark | meaning |")[2].partition("\n\n")[0]
    marks = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))

    assert marks
    assert all(f'"{mark}"' in sources for mark in marks)
