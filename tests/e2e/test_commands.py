"""The commands, called as people and programs call them."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from typer.main import get_command

import deploy.command  # noqa: F401 – brings the commands
from deploy.commands.root import app
from tests.e2e.installation import citysoc, running, wait_for

RULE = """title: A word
id: 6a1c0f0e-52a4-4a53-9d0d-2f2f3d7c1111
level: high
logsource: {product: linux, service: sshd}
detection:
  keywords: [opensesame]
  condition: keywords
"""


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    path = tmp_path / "word.yml"
    path.write_text(RULE)
    return path


def commands(of: click.Command, name: str = "") -> Iterator[str]:
    """Every command below one, as it is called."""
    below = getattr(of, "commands", {})
    if not below:
        yield name
    for word, each in below.items():
        yield from commands(each, f"{name} {word}".strip())


COMMANDS = tuple(commands(get_command(app)))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_that_reads_well(command: str) -> None:
    done = citysoc(*command.split(), "--help")

    assert done.returncode == 0
    assert "Usage: " in done.stdout
    assert done.stderr == ""


def test_detect_prints_one_object_a_match_and_counts_unparsable_records(
    rule: Path, tmp_path: Path
) -> None:
    events = tmp_path / "events.ndjson.gz"
    lines = ['{"message": "no"}', "{broken", '{"message": "OpenSesame", "logsource": %s}']
    source = json.dumps({"product": "linux", "service": "sshd"})
    events.write_bytes(gzip.compress("\n".join(lines).replace("%s", source).encode()))

    done = citysoc("detect", "--rules", str(rule), "--stats", str(events))

    assert done.returncode == 0
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {
            "file": str(events),
            "event": 2,
            "rule": "6a1c0f0e-52a4-4a53-9d0d-2f2f3d7c1111",
            "title": "A word",
            "level": "high",
        }
    ]
    stats = json.loads(done.stderr.splitlines()[-1])
    assert (stats["rules"], stats["rules_failed"], stats["matches"]) == (1, 0, 1)
    assert stats["events"] == 3


def test_explain_says_why_a_rule_matches_without_colour_in_a_pipe(
    rule: Path, tmp_path: Path
) -> None:
    events = tmp_path / "events.ndjson"
    source = {"product": "linux", "service": "sshd"}
    lines = [{"message": "no"}, {"message": "OpenSesame", "logsource": source}]
    events.write_text("".join(json.dumps(line) + "\n" for line in lines))

    done = citysoc("rules", "explain", "--rules", str(rule), "--event", f"{events}:1")

    assert done.returncode == 0
    assert "✓ A word (high): matches" in done.stdout
    assert "✓ 'opensesame': holds; found in 'OpenSesame'" in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stderr == "1 of 1 rules match\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--rules", "/nowhere", "-"), "/nowhere"),
        (("--rules", "RULE", "/nowhere.ndjson"), "/nowhere.ndjson"),
        (("--rules", "RULE", "/etc/hostname"), "hostname"),
        (("--rules", "RULE"), "events"),
        (("-",), "--rules"),
    ],
)
def test_a_wrong_call_of_detect_ends_with_2_and_says_why(
    rule: Path, arguments: tuple[str, ...], says: str
) -> None:
    done = citysoc("detect", *(str(rule) if each == "RULE" else each for each in arguments))

    assert done.returncode == 2
    assert says in done.stderr


def test_rules_check_names_file_and_line_and_ends_with_1(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text(RULE.replace("condition: keywords", "condition: nothing"))

    done = citysoc("rules", "check", str(broken))

    assert done.returncode == 1
    assert f"{broken}:" in done.stdout


def test_an_unknown_stage_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    done = citysoc("run", "telepathy", "--data", str(tmp_path))

    assert done.returncode == 2
    assert "collectors" in done.stderr


def test_the_command_line_onboards_while_the_system_runs(tmp_path: Path) -> None:
    lines = tmp_path / "auth.log"
    lines.write_text(
        "Nov 24 10:00:00 web01 sshd[7]: Accepted password for root from 203.0.113.9 port 5 ssh2\n"
    )
    with running(tmp_path / "city") as city:
        tenant = json.loads(city.citysoc("tenant", "add", "northgate", "--name", "Northgate"))
        source = json.loads(
            city.citysoc("source", "add", "northgate", "linux", "--name", "web", "--sender", "::1")
        )
        user = json.loads(
            city.citysoc("user", "add", "head", "--role", "partner", "--tenant", "northgate")
        )
        again = citysoc("tenant", "add", "northgate", "--data", str(city.data))
        url = f"http://127.0.0.1:{city.port + 1}/ingest/events"
        replayed = citysoc("replay", str(lines), "--url", url, "--token", source["token"])

        assert tenant["endpoints"]["ingest"] == url
        assert source["token"] in source["configuration"] or source["endpoints"]["syslog"]
        assert user["password"]
        assert again.returncode == 2
        assert "already" in again.stderr
        assert replayed.stdout.startswith("1 events sent, 0 of them kept unparsed")
        assert wait_for(lambda: city.alerts("northgate") is not None)


def test_a_token_that_is_not_known_is_refused_with_advice(tmp_path: Path) -> None:
    lines = tmp_path / "one.ndjson"
    lines.write_text('{"a": 1}\n')
    with running(tmp_path / "city") as city:
        url = f"http://127.0.0.1:{city.port + 1}"

        done = citysoc("replay", str(lines), "--url", url, "--token", "guess")

    assert done.returncode == 2
    assert "401" in done.stderr
