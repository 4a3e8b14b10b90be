"""The report of an import also says which rules can't match what sources have delivered."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from collectors.logsource import LogSource
from deploy.commands.rule_sets import _report
from deploy.importing import Sources, import_rules
from deploy.settings import Settings
from detection.coverage import Seen
from tenants.database import Database

RULE = """title: {title}
id: 6a1c0f0e-52a4-4a53-9d0d-{number:012}
status: test
level: high
logsource: {{product: linux, service: {service}}}
detection:
  selection: {{{field}: x}}
  condition: selection
"""
SUM = "3 can't match what sources have delivered so far:"
SEEN = {LogSource("linux", "", "sshd"): {"user", "message"}}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database.open(f"sqlite:///{tmp_path / 'triage.sqlite'}")) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "rules"
    made.mkdir()
    for number, (title, service, field) in enumerate(
        [
            ("Fine", "sshd", "user"),
            ("No command here", "sshd", "command"),
            ("No address here", "sshd", "address"),
            ("Nobody sends it", "vsftpd", "user"),
        ]
    ):
        text = RULE.format(title=title, number=number, service=service, field=field)
        (made / f"{number}.yml").write_text(text)
    return made


def reported(folder: Path, database: Database, seen: Seen, shown: int | None) -> Sequence[str]:
    settings = Settings(data=folder.parent / "data")
    sources = Sources(places=[str(folder)])

    done = import_rules(
        settings, database, sources, seen=seen, dry_run=True, tell=lambda _what, _files: None
    )

    report = _report(done, dry_run=True, shown=shown)
    return [line for line in report if line.startswith("unable") or "can't match" in line]


def test_rules_that_lack_fields_are_named_and_all_are_counted(
    folder: Path, database: Database
) -> None:
    lines = reported(folder, database, SEEN, None)

    first, second = "6a1c0f0e-52a4-4a53-9d0d-000000000002", "6a1c0f0e-52a4-4a53-9d0d-000000000001"
    assert lines == [
        f"unable   needed fields never seen: No address here ({first}): address",
        f"unable   needed fields never seen: No command here ({second}): command",
        f"{SUM} 2 needed fields never seen, 1 log source never seen",
    ]


def test_a_long_list_is_cut(folder: Path, database: Database) -> None:
    first, second, last = reported(folder, database, SEEN, 1)

    assert "No address here" in first
    assert second == "unable   and 1 more; --all names them"
    assert last.startswith(SUM)


def test_nothing_is_said_before_anything_has_been_seen(folder: Path, database: Database) -> None:
    assert reported(folder, database, {}, None) == []
