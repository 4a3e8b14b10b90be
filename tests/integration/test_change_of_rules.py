"""A change of rules or policy takes effect at its record, and only if the registry knows it so."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from collectors.bus.contract import Malformed, Overloaded, Partition, Position, Record, Retention
from collectors.bus.embedded import EmbeddedBus
from collectors.event import Soc, encode, timestamp
from collectors.logsource import LogSource
from detection.policy import Policy, State
from detection.rule_sets import Release
from detection.signal import Signal
from detection.worker import Detection
from rules.catalog import RuleInfo
from rules.correlations import Correlation
from tests.rule_sets import Announced, Sets

PLACE = Partition("events.school", 2)
OTHER = Partition("events.school", 3)
NOW = timestamp(datetime(2026, 11, 24, 13, 47, 3, tzinfo=UTC))


class Everything:
    """A rule set of one rule, which matches whatever comes."""

    correlations: Sequence[Correlation] = ()

    def __init__(self, version: str) -> None:
        self.version = version
        info = RuleInfo(
            f"rule of {version}", "Anything", "high", "", LogSource("linux"), "r.yml", 1
        )
        self.rules = {info.id: info}

    def match_lines(self, lines: Sequence[bytes]) -> list[tuple[int, RuleInfo]]:
        return [(at, rule) for at in range(len(lines)) for rule in self.rules.values()]


FIRST, SECOND = "1" * 32, "2" * 32
VERSIONS = Announced(releases={1: FIRST, 2: SECOND, 3: FIRST})


def sets() -> Sets:
    return Sets(Everything("settings"), **{each: Everything(each) for each in (FIRST, SECOND)})


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[EmbeddedBus]:
    with contextlib.closing(EmbeddedBus(tmp_path / "bus.db")) as opened:
        for kind in ("signals", "dead"):
            opened.create_topic(f"{kind}.school", partitions=1, retention=Retention())
        yield opened


@contextlib.contextmanager
def worker(
    bus: EmbeddedBus, known: Sets, versions: Announced = VERSIONS, note: str = ""
) -> Iterator[Detection]:
    with contextlib.closing(Detection(bus, known, versions=versions)) as stage:
        with contextlib.closing(bus.consumer("unused", "nothing")) as consumer:
            stage.assigned(consumer, {PLACE: Position(7, note) if note else None, OTHER: None})
        yield stage


def event(offset: int, partition: Partition = PLACE) -> Record:
    soc = Soc(
        v=1,
        id=f"{partition.number:016x}{offset:016x}",
        tenant="school",
        source="web-1",
        received=NOW,
        time=NOW,
        logsources=("linux//sshd",),
    )
    return Record(partition=partition, offset=offset, time=1.0, value=encode({"a": 1}, soc))


def told(value: object, offset: int, kind: str = "rules", partition: Partition = PLACE) -> Record:
    encoded = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return Record(
        partition=partition, offset=offset, time=1.0, value=encoded, headers={"kind": kind}
    )


def rule_sets_of(bus: EmbeddedBus) -> list[tuple[int, int, str]]:
    """Partition, offset and rule set of every signal."""
    with contextlib.closing(bus.consumer("reader", "signals.")) as consumer:
        lines = [line for each in consumer.poll(0.2) for line in each.value.split(b"\n")]
    found = [msgspec.json.decode(line, type=Signal) for line in lines]
    assert all(each.rule == f"rule of {each.ruleset}" for each in found)
    return [(each.place.partition, each.place.offset, each.ruleset) for each in found]


def test_rules_change_at_their_record_and_each_signal_names_its_set(bus: EmbeddedBus) -> None:
    log = [
        event(1),
        told(Release(1, FIRST), 2),
        event(3),
        event(9, OTHER),
        told(Release(2, SECOND), 4),
        event(5),
        told(Release(3, FIRST), 6),
        event(7),
    ]

    with worker(bus, sets()) as stage:
        stage.handle(log)
        stage.flush()
        notes = [json.loads(stage.note(each)) for each in (PLACE, OTHER)]

    assert rule_sets_of(bus) == [
        (2, 1, "settings"),
        (2, 3, FIRST),
        (3, 9, "settings"),
        (2, 5, SECOND),
        (2, 7, FIRST),
    ]
    assert notes == [{"policy": 0, "rules": 3}, {"policy": 0, "rules": 0}]


@pytest.mark.parametrize(
    ("note", "expected"),
    [('{"policy":0,"rules":2}', SECOND), ('{"policy":0}', "settings"), ("", "settings")],
)
def test_a_worker_goes_on_with_the_rules_of_its_note(
    bus: EmbeddedBus, note: str, expected: str
) -> None:
    with worker(bus, sets(), note=note) as stage:
        stage.handle([event(8)])
        stage.flush()

    assert rule_sets_of(bus) == [(2, 8, expected)]


def test_a_release_that_is_sent_again_later_changes_nothing(bus: EmbeddedBus) -> None:
    log = [told(Release(2, SECOND), 1), told(Release(1, FIRST), 2), event(3)]

    with worker(bus, sets()) as stage:
        stage.handle(log)
        stage.flush()

    assert rule_sets_of(bus) == [(2, 3, SECOND)]


def test_while_a_rule_set_is_being_loaded_nothing_is_half_done(bus: EmbeddedBus) -> None:
    known = sets()
    known.loading.add(FIRST)
    log = [event(1), told(Release(1, FIRST), 2), event(3)]

    with worker(bus, known) as stage:
        with pytest.raises(Overloaded):
            stage.handle(log)
        early = json.loads(stage.note(PLACE))
        known.loading.clear()
        stage.handle(log)
        stage.flush()

    assert early == {"policy": 0, "rules": 0}
    assert rule_sets_of(bus) == [(2, 1, "settings"), (2, 3, FIRST)]


def test_a_release_that_is_lost_leaves_the_rules_of_the_settings(bus: EmbeddedBus) -> None:
    with worker(bus, sets(), Announced(), note='{"policy":0,"rules":2}') as stage:
        stage.handle([event(8)])
        stage.flush()

    assert rule_sets_of(bus) == [(2, 8, "settings")]


TRUE = Policy(tenant="school", version=1, states={"loud": State.ALERT})
FORGED: list[tuple[str, object]] = [
    ("rules", Release(4, FIRST)),
    ("rules", Release(1, SECOND)),
    ("rules", Release(0, SECOND)),
    ("rules", Release(1, "../../somewhere")),
    ("rules", b"no release"),
    ("rules", b"\xff"),
    ("rules", {"number": "1", "version": FIRST}),
    ("policy", Policy(tenant="school", version=2, states={"loud": State.OFF})),
    ("policy", Policy(tenant="school", version=1, states={"loud": State.OFF})),
    ("policy", Policy(tenant="school", version=0, states={"loud": State.OFF})),
    ("policy", Policy(tenant="council", version=1)),
]


@pytest.mark.parametrize(("kind", "value"), FORGED, ids=range(len(FORGED)))
def test_what_the_registry_does_not_know_just_so_is_malformed(
    bus: EmbeddedBus, kind: str, value: object
) -> None:
    versions = Announced(TRUE, releases={1: FIRST})

    with worker(bus, sets(), versions) as stage:
        with pytest.raises(Malformed, match="expected"):
            stage.handle([told(value, 1, kind)])
        note = json.loads(stage.note(PLACE))

    assert note == {"policy": 0, "rules": 0}
