"""Rule sets come and go while the system runs, with `citysoc rules import` and `rollback`."""

import json
import os
import signal
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.installation import Installation, citysoc, running, send, wait_for

RULE = """title: {title}
id: 6a1c0f0e-52a4-4a53-9d0d-{number:012}
status: test
level: high
logsource: {{product: linux, service: sshd}}
detection:
  keywords: [{word}]
  condition: keywords
"""
BROKEN = (
    "title: Broken\nlogsource: {product: linux}\ndetection: {a: {b|nonsense: 1}, condition: a}\n"
)


def archive(path: Path, **files: str) -> Path:
    with zipfile.ZipFile(path, "w") as opened:
        for name, text in files.items():
            opened.writestr(f"rules/{name}.yml", text)
    return path


def rule(number: int, word: str, title: str = "") -> str:
    return RULE.format(number=number, word=word, title=title or f"Says {word}")


def imported(installation: Installation, *arguments: object) -> dict[str, Any]:
    done = citysoc(
        *("rules", "import", *map(str, arguments), "--json"),
        *("--data", str(installation.data), "--port", str(installation.port)),
    )
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"code": done.returncode}


def said(word: str) -> bytes:
    return f"Nov 24 10:00:00 web-1 sshd[1]: {word} was said".encode()


def titles(installation: Installation) -> dict[str, int]:
    return {each["title"]: each["count"] for each in installation.alerts("school")}


def told(installation: Installation) -> bool:
    """Whether the newest release stands on every partition."""
    newest = json.loads(installation.citysoc("rules", "versions", "--json", "--limit", "1"))[0]
    return bool(newest["told"] == newest["partitions"] > 0)


def test_rules_change_while_the_system_runs_and_a_broken_one_stops_no_other(
    tmp_path: Path,
) -> None:
    first = archive(tmp_path / "first.zip", one=rule(1, "opensesame"), two=rule(2, "abracadabra"))
    second = archive(
        tmp_path / "second.zip",
        one=rule(1, "opensesame", "New title"),
        bad=BROKEN,
        three=rule(3, "shazam"),
    )

    with running(tmp_path / "data") as city:
        city.citysoc("tenant", "add", "school")
        source = json.loads(city.citysoc("source", "add", "school", "linux", "--name", "web-1"))
        dry = imported(city, first, "--dry-run")
        one = imported(city, first)
        wait_for(lambda: told(city))
        send(source, [said("opensesame"), said("shazam")])
        wait_for(lambda: titles(city) == {"Says opensesame": 1})
        os.kill(city.pids()["detection"], signal.SIGKILL)
        two = imported(city, second)
        wait_for(lambda: told(city))
        send(source, [said("shazam and abracadabra")])
        wait_for(lambda: titles(city) == {"Says opensesame": 1, "Says shazam": 1})
        city.citysoc("rules", "rollback")
        wait_for(lambda: told(city))
        send(source, [said("abracadabra and shazam")])
        expected = {"Says opensesame": 1, "Says shazam": 1, "Says abracadabra": 1}
        wait_for(lambda: titles(city) == expected)
        listed = city.citysoc("rules", "versions")

    assert (dry["release"], one["release"], two["release"]) == (None, 1, 2)
    assert dry["version"] == one["version"] != two["version"]
    assert (one["code"], two["code"]) == (0, 1)
    assert [each["title"] for each in two["changes"]["new"]] == ["Says shazam"]
    assert [each["title"] for each in two["changes"]["changed"]] == ["New title"]
    assert [each["title"] for each in two["changes"]["gone"]] == ["Says abracadabra"]
    refused = two["changes"]["refused"][0]
    assert (refused["path"], refused["line"]) == ("rules/bad.yml", 3)
    assert "nonsense" in refused["why"]
    assert [line.split()[0] for line in listed.splitlines()] == ["3", "2", "1"]
    assert "in force  back to 1" in listed.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "expected a ZIP archive, a folder, or a Git repository"),
        (["{here}/broken"], "1 were refused"),
        (["{here}/empty"], "no rule files"),
    ],
)
def test_an_import_that_brings_nothing_changes_nothing(
    tmp_path: Path, arguments: list[str], says: str
) -> None:
    for name, text in (("broken", BROKEN), ("empty", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / ("rule.yml" if text else "README.md")).write_text(text)
    named = [each.format(here=tmp_path) for each in arguments]

    done = citysoc("rules", "import", *named, "--data", str(tmp_path / "data"))

    assert done.returncode == 2
    assert says in done.stderr
    assert citysoc("rules", "versions", "--data", str(tmp_path / "data")).stdout == ""


def test_lists_and_exceptions_are_set_on_the_command_line(tmp_path: Path) -> None:
    here = ("--data", str(tmp_path / "data"))
    values, text = tmp_path / "admins.txt", tmp_path / "exception.yml"
    values.write_text("root\nadm_*\n")
    text.write_text(
        "title: Root may\nlogsource: {product: linux}\n"
        "filter: {rules: any, who: {user|expand: '%admins%'}, condition: not who}\n"
    )
    citysoc("tenant", "add", "school", *here)

    early = citysoc("tenant", "exceptions", "school", "root", "--file", str(text), *here)
    lists = citysoc("tenant", "lists", "school", "admins", "--file", str(values), *here)
    exceptions = citysoc("tenant", "exceptions", "school", "root", "--file", str(text), *here)
    kept = citysoc("tenant", "lists", "school", "admins", "--remove", *here)
    gone = citysoc("tenant", "exceptions", "school", "root", "--remove", *here)

    assert (early.returncode, kept.returncode) == (2, 2)
    assert "line 3: no list for the placeholder %admins%; set the list first" in early.stderr
    assert json.loads(lists.stdout) == {"admins": ["root", "adm_*"]}
    assert json.loads(exceptions.stdout) == {"root": text.read_text()}
    assert "remove the exception first" in kept.stderr
    assert json.loads(gone.stdout) == {}


def test_an_event_is_explained_by_a_set_that_was_imported(tmp_path: Path) -> None:
    here = ("--data", str(tmp_path / "data"))
    event = tmp_path / "event.ndjson"
    source = {"product": "linux", "service": "sshd"}
    event.write_text(json.dumps({"message": "opensesame", "logsource": source}))
    first = archive(tmp_path / "first.zip", one=rule(1, "opensesame"))
    second = archive(tmp_path / "second.zip", one=rule(1, "shazam"))
    versions = [
        json.loads(citysoc("rules", "import", str(each), "--json", *here).stdout)["version"]
        for each in (first, second)
    ]

    def explained(*asked: str) -> list[bool]:
        done = citysoc("rules", "explain", "--event", str(event), "--json", *asked, *here)
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["matches"] for line in done.stdout.splitlines()]

    assert explained("--version", versions[0][:8]) == [True]
    assert explained("--version", "current") == explained("--version", versions[1]) == [False]
    assert True not in explained("--version", "settings")
    for wrong in (("--version", "000000"), (), ("--version", "current", "--rules", str(tmp_path))):
        assert citysoc("rules", "explain", "--event", str(event), *wrong, *here).returncode == 2
