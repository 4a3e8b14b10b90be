"""Which fields log sources have: gathered cheaply, bounded, and shown to those who may see."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from collectors.bus.contract import Overloaded
from collectors.event import Soc, encode
from collectors.logsource import LogSource
from detection.coverage import EVERYTHING
from tenants import seen_fields
from tenants.access import OPERATOR, NotFound, Principal, Role
from tenants.database import Database
from tenants.seen_fields import FieldsSeen, SeenBook

SSHD, SUDO = LogSource("linux", "", "sshd"), LogSource("linux", "", "sudo")


def soc(*sources: LogSource, **values: Any) -> Soc:
    return Soc(
        v=1,
        id="0" * 32,
        tenant="school",
        source="s",
        received="2026-11-24T13:47:03.000000Z",
        time="2026-11-24T13:47:03.000000Z",
        logsources=tuple(map(str, sources or (SSHD,))),
        **values,
    )


def look(seen: FieldsSeen, fields: dict[str, Any], envelope: Soc | None = None) -> None:
    envelope = envelope or soc()
    seen.look("school", envelope, encode(fields, envelope))


def book(database: Database) -> dict[LogSource, set[str]]:
    return {
        source: set(names) for source, names in SeenBook(database, OPERATOR).of("school").items()
    }


def test_names_are_kept_by_log_source_and_add_up(database: Database) -> None:
    seen = FieldsSeen(database)

    look(seen, {"user": "jane", "a": {"b": 1}})
    look(seen, {"user": "jane", "port": 22}, soc(SSHD, SUDO))
    seen.flush()
    FieldsSeen(database).flush()

    assert book(database) == {SSHD: {"user", "a", "a.b", "port"}, SUDO: {"user", "port"}}


def test_another_process_adds_what_is_new(database: Database) -> None:
    for fields in ({"user": 1}, {"user": 1, "port": 2}):
        seen = FieldsSeen(database)
        look(seen, fields)
        seen.flush()

    assert book(database)[SSHD] == {"user", "port"}


def test_events_of_another_schema_count_by_the_names_of_rules(database: Database) -> None:
    seen = FieldsSeen(database)
    asked = LogSource("windows", "process_creation", "")

    look(seen, {"process": {"executable": "a.exe"}}, soc(asked, schema="ecs"))
    seen.flush()

    assert {"Image", "process.executable"} <= book(database)[asked]


def test_what_lies_within_values_is_found_among_events_alike_outside(database: Database) -> None:
    seen = FieldsSeen(database)

    for number in range(200):
        look(seen, {"details": {f"kind{number // 100}": 1}})
    seen.flush()

    assert {"details.kind0", "details.kind1"} <= book(database)[SSHD]


def test_names_beyond_the_bound_become_everything(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen_fields, "MAX_NAMES", 50)
    monkeypatch.setattr(seen_fields, "MAX_SOURCES", 2)
    seen = FieldsSeen(database)

    for number in range(100):
        look(seen, {f"f{number}": 1})
        look(seen, {"x": 1}, soc(LogSource(f"p{number}")))
    seen.flush()

    found = book(database)
    assert EVERYTHING in found[SSHD]
    assert len(found[SSHD]) <= 51
    assert len(found) == 2


@pytest.mark.parametrize(
    "line",
    [b'{"a\\u0000b":1,"soc":{}}', b'{"\\ud800":1,"soc":{}}', b"[" * 9, b'{"a":NaN,"soc":{}}'],
)
def test_strange_lines_stop_nothing(database: Database, line: bytes) -> None:
    seen = FieldsSeen(database)

    seen.look("school", soc(SSHD), line)
    seen.look("school", soc(LogSource("a/b")), b'{"x":1,"soc":{}}')
    seen.flush()

    assert book(database).get(SSHD, set()) <= {"a"}


def test_a_busy_database_is_asked_again_and_a_tenant_that_left_is_let_go(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = FieldsSeen(database)
    look(seen, {"user": 1})
    seen.look("gone", soc(), encode({"user": 1}, soc()))

    @contextmanager
    def busy(*_: object) -> Iterator[None]:
        raise Overloaded("locked")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(database, "write", busy)
        seen.flush()
    assert book(database) == {}

    seen.flush()

    assert book(database) == {SSHD: {"user"}}


def test_a_partner_sees_no_other_tenants_fields(database: Database) -> None:
    seen = FieldsSeen(database)
    look(seen, {"secret_project": 1})
    seen.flush()
    partner = Principal(user="pat", name="Pat", role=Role.PARTNER, tenants=frozenset({"council"}))

    assert SeenBook(database, partner).of("council") == {}
    with pytest.raises(NotFound):
        SeenBook(database, partner).of("school")
    with pytest.raises(NotFound):
        SeenBook(database, OPERATOR).of("telepathy")


def test_events_like_others_are_not_decoded(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = FieldsSeen(database)
    line = encode({"user": "jane", "port": 22}, soc())
    seen.look("school", soc(), line)
    decoded: list[bytes] = []
    monkeypatch.setattr(
        seen_fields.codec, "loads", lambda data: decoded.append(data) or json.loads(data)
    )

    for _ in range(100):
        seen.look("school", soc(), line)

    assert decoded == []
