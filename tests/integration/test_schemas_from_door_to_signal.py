"""One attack, sent in three shapes through a real door, raises the same signals."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collectors.bus.contract import Record, Retention
from collectors.bus.embedded import EmbeddedBus
from collectors.event import Soc
from collectors.logsource import LogSource
from collectors.route import Route, token_hash
from detection.sigma import load
from detection.signal import Signal
from detection.worker import Detection
from tests.conftest import ROOT
from tests.integration.door_kit import Doors, make_bus
from tests.rule_sets import Announced, Sets
from tests.rules.elastic_kit import common, raw

SYSMON = "Microsoft-Windows-Sysmon/Operational"
ATTACK = {
    "EventID": 1,
    "Channel": SYSMON,
    "Provider_Name": "Microsoft-Windows-Sysmon",
    "Computer": "ws-014.school.example",
    "Image": "C:\\Windows\\System32\\vssadmin.exe",
    "OriginalFileName": "VSSADMIN.EXE",
    "CommandLine": "vssadmin.exe delete shadows /all /quiet",
    "ParentImage": "C:\\Windows\\System32\\cmd.exe",
    "User": "SCHOOL\\jane",
}
DEFEND = {
    "@timestamp": "2026-11-24T13:47:03Z",
    "event": {"category": ["process"], "type": ["start"], "kind": "event"},
    "host": {"name": "ws-014", "os": {"type": "windows"}},
    "process": {
        "executable": ATTACK["Image"],
        "command_line": ATTACK["CommandLine"],
        "pe": {"original_file_name": "VSSADMIN.EXE"},
        "parent": {"executable": ATTACK["ParentImage"]},
    },
    "user": {"name": "jane", "domain": "SCHOOL"},
}


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    with contextlib.closing(make_bus(tmp_path / "bus.db")) as bus:
        running = Doors(bus)
        routes = [
            Route(
                tenant="school",
                source=name,
                kind=name,
                schema=schema,
                logsources=(LogSource("windows"),),
                token_hash=token_hash(f"school-{name}"),
            )
            for name, schema in (("native", ""), ("ecs", "ecs"))
        ]
        running.routes.replace(routes)
        running.start()
        yield running
        running.stop()


@contextlib.contextmanager
def detecting(path: Path) -> Iterator[EmbeddedBus]:
    """The same bus as another process opens it, with detection's topics."""
    with contextlib.closing(EmbeddedBus(path)) as bus:
        for kind in ("signals", "dead"):
            bus.create_topic(f"{kind}.school", partitions=1, retention=Retention())
        yield bus


def signals(bus: EmbeddedBus) -> list[Signal]:
    """What detection makes of everything that stands on the bus."""
    rules = load([ROOT / "rules" / "library" / "windows-process-creation"])
    with (
        contextlib.closing(Detection(bus, Sets(rules), versions=Announced())) as stage,
        contextlib.closing(bus.consumer("detection", "events.school")) as events,
    ):
        records: list[Record] = []
        while polled := events.poll(0.3):
            records += polled
        stage.handle(records)
        stage.flush()
    with contextlib.closing(bus.consumer("reader", "signals.school")) as consumer:
        values = [each.value for each in consumer.poll(0.5) if each.kind == "events"]
    return [
        msgspec.json.decode(line, type=Signal) for value in values for line in value.split(b"\n")
    ]


def test_the_same_attack_raises_the_same_signals_in_every_shape(
    doors: Doors, tmp_path: Path
) -> None:
    bodies = {
        "native": [ATTACK],
        "ecs": [raw(ATTACK), common(ATTACK, "process_creation"), DEFEND],
    }

    for source, events in bodies.items():
        body = "\n".join(map(json.dumps, events)).encode()
        assert doors.post(body, token=f"school-{source}")[0] == 202

    with detecting(tmp_path / "bus.db") as bus:
        found = signals(bus)
    rules: dict[str, set[str]] = {}
    for signal in found:
        rules.setdefault(signal.event, set()).add(signal.rule)
    assert len(rules) == 4
    assert all(each == next(iter(rules.values())) for each in rules.values())
    assert all(each for each in rules.values())
    assert {signal.entity.name for signal in found} == {"ws-014", "ws-014.school.example"}
    assert all("jane" in signal.related["user"] for signal in found)


def test_the_event_stays_the_senders_own_and_says_its_schema(doors: Doors) -> None:
    doors.post(json.dumps(DEFEND).encode(), token="school-ecs")

    ((fields, soc),) = doors.events("school")

    assert fields == DEFEND
    assert soc.schema == "ecs"
    assert "windows/process_creation/" in soc.logsources


def test_a_reader_that_knows_no_schemas_reads_the_envelope(doors: Doors) -> None:
    class Before(msgspec.Struct, frozen=True):
        v: int
        id: str
        tenant: str

    doors.post(json.dumps(DEFEND).encode(), token="school-ecs")
    ((_, soc),) = doors.events("school")

    assert msgspec.convert(msgspec.to_builtins(soc), Before).tenant == "school"
    known: dict[str, Any] = msgspec.to_builtins(soc)
    assert msgspec.convert({k: v for k, v in known.items() if k != "schema"}, Soc).schema == ""
