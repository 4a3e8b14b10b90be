"""The detection stage on the embedded bus: which signals come of which events and policies."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collectors.bus.contract import Malformed, Overloaded, Partition, Position, Record, Retention
from collectors.bus.embedded import EmbeddedBus
from collectors.codec import dumps, loads
from collectors.event import Soc, encode, timestamp
from collectors.logsource import LogSource
from detection.policy import Policy, State
from detection.sigma import load
from detection.signal import Entity, Signal, signal_id
from detection.worker import Detection
from enrichment.enrichers.add_asset import AddAsset
from enrichment.register import Asset, AssetRegister
from rules.catalog import RuleInfo
from rules.correlations import Correlation
from tests.rule_sets import Announced, Sets

PLACE = Partition("events.school", 2)
NOW = datetime(2026, 11, 24, 13, 47, 3, tzinfo=UTC)


def rule(name: str, level: str = "high", ruleset: str = "") -> RuleInfo:
    return RuleInfo(
        id=name,
        title=f"Title of {name}",
        level=level,
        ruleset=ruleset,
        logsource=LogSource("linux"),
        path="rules.yml",
        line=1,
    )


class Containing:
    """Rules that match the lines which contain their id; garbage anywhere is refused."""

    version = "rules-1"
    correlations: Sequence[Correlation] = ()

    def __init__(self, *rules: RuleInfo) -> None:
        self.rules = rules

    def match_lines(self, lines: Sequence[bytes]) -> list[tuple[int, RuleInfo]]:
        for position, line in enumerate(lines):
            if b"REFUSED" in line:
                raise Malformed(f"line {position} of the record is no event")
        return [
            (position, each)
            for position, line in enumerate(lines)
            for each in self.rules
            if each.id.encode() in line
        ]


RULES = Containing(rule("loud"), rule("quiet", "low"), rule("hunt", "high", "hunting"))


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[EmbeddedBus]:
    with contextlib.closing(EmbeddedBus(tmp_path / "bus.db")) as opened:
        for kind in ("signals", "dead"):
            opened.create_topic(f"{kind}.school", partitions=1, retention=Retention())
        yield opened


@contextlib.contextmanager
def worker(
    bus: EmbeddedBus, rules: Any = RULES, note: str = "", **settings: Any
) -> Iterator[Detection]:
    settings = {"versions": Announced(), **settings}
    sets = rules if isinstance(rules, Sets) else Sets(rules)
    with contextlib.closing(Detection(bus, sets, **settings)) as stage:
        with contextlib.closing(bus.consumer("unused", "nothing")) as consumer:
            stage.assigned(consumer, {PLACE: Position(7, note) if note else None})
        yield stage


def event(number: int, tenant: str = "school", **fields: Any) -> bytes:
    soc = Soc(
        v=1,
        id=f"{number:032x}",
        tenant=tenant,
        source="web-1",
        received=timestamp(NOW),
        time=timestamp(NOW - timedelta(seconds=5)),
        logsources=("linux//sshd",),
        related={"host": ["ws-014"], "user": ["jane"]},
        marks=("sender_unproven",),
    )
    return encode(fields, soc)


def record(*lines: bytes, offset: int = 7, **settings: Any) -> Record:
    return Record(partition=PLACE, offset=offset, time=1.0, value=b"\n".join(lines), **settings)


def policy_record(policy: Policy, offset: int = 7) -> Record:
    return record(msgspec.json.encode(policy), offset=offset, headers={"kind": "policy"})


def read(bus: EmbeddedBus, topic: str) -> list[bytes]:
    with contextlib.closing(bus.consumer("reader", topic)) as consumer:
        return [each.value for each in consumer.poll(0.2)]


def signals(bus: EmbeddedBus) -> list[Signal]:
    return [
        msgspec.json.decode(line, type=Signal)
        for value in read(bus, "signals.")
        for line in value.split(b"\n")
    ]


def test_a_match_becomes_a_signal_that_says_what_where_and_about_whom(bus: EmbeddedBus) -> None:
    line = event(1, message="loud and clear")
    assets = AddAsset(
        {"school": AssetRegister([Asset(kind="host", name="WS-014", owner="Office")])}
    )

    with worker(bus, enrichers=[assets]) as stage:
        stage.handle([record(event(0, message="nothing"), b"", line)])
        stage.flush()

    assert [json.loads(value) for value in read(bus, "signals.")] == [
        {
            "v": 1,
            "id": signal_id("school", "loud", f"{1:032x}"),
            "tenant": "school",
            "rule": "loud",
            "title": "Title of loud",
            "level": "high",
            "state": "alert",
            "ruleset": "rules-1",
            "policy": 0,
            "event": f"{1:032x}",
            "source": "web-1",
            "place": [2, 7, 2],
            "time": "2026-11-24T13:46:58.000000Z",
            "received": "2026-11-24T13:47:03.000000Z",
            "entity": {"kind": "user", "name": "jane"},
            "related": {"host": ["ws-014"], "user": ["jane"]},
            "marks": ["sender_unproven"],
            "context": {
                "add_asset": {
                    "asset": "WS-014",
                    "kind": "host",
                    "criticality": "normal",
                    "owner": "Office",
                }
            },
            "body": json.loads(line),
        }
    ]


@pytest.mark.parametrize("name", ["quiet", "hunt"])
def test_a_match_of_a_quiet_rule_is_a_signal_without_the_event(bus: EmbeddedBus, name: str) -> None:
    assets = AddAsset({"school": AssetRegister([Asset(kind="host", name="WS-014")])})

    with worker(bus, enrichers=[assets]) as stage:
        stage.handle([record(event(1, message=name))])
        stage.flush()

    found = signals(bus)
    assert [(each.rule, each.state) for each in found] == [(name, State.SIGNAL)]
    assert bytes(found[0].body) == b"null"
    assert found[0].context == {}


def test_a_policy_on_the_log_is_in_force_from_its_place_on(bus: EmbeddedBus) -> None:
    policy = Policy(tenant="school", version=3, states={"loud": State.OFF, "quiet": State.ALERT})
    line = event(1, message="loud and quiet")

    with worker(bus, versions=Announced(policy)) as stage:
        stage.handle([record(line, offset=7), policy_record(policy, 8), record(line, offset=9)])
        stage.flush()
        note = stage.note(PLACE)

    assert [(each.place.offset, each.rule, each.state, each.policy) for each in signals(bus)] == [
        (7, "loud", State.ALERT, 0),
        (7, "quiet", State.SIGNAL, 0),
        (9, "quiet", State.ALERT, 3),
    ]
    assert json.loads(note) == {"policy": 3, "rules": 0}


def test_a_restarted_worker_goes_on_with_the_policy_of_its_note(bus: EmbeddedBus) -> None:
    versions = Announced(
        Policy(tenant="school", version=3, states={"loud": State.OFF}),
        Policy(tenant="school", version=4, states={"loud": State.ALERT}),
    )

    with worker(bus, versions=versions, note='{"policy":3}') as stage:
        stage.handle([record(event(1, message="loud"))])
        stage.flush()

        assert json.loads(stage.note(PLACE)) == {"policy": 3, "rules": 0}
    assert signals(bus) == []


def test_an_older_policy_that_is_sent_again_changes_nothing(bus: EmbeddedBus) -> None:
    old = Policy(tenant="school", version=1, states={"loud": State.OFF})
    new = Policy(tenant="school", version=2, states={})

    with worker(bus, versions=Announced(old, new)) as stage:
        stage.handle([policy_record(each) for each in (old, new, old)])

        assert json.loads(stage.note(PLACE)) == {"policy": 2, "rules": 0}


def test_an_overload_while_a_policy_is_looked_up_leaves_nothing_half_done(
    bus: EmbeddedBus,
) -> None:
    versions = Announced(Policy(tenant="school", version=3))
    versions.overloaded = True

    with worker(bus, versions=versions, note='{"policy":3}') as stage:
        with pytest.raises(Overloaded):
            stage.handle([record(event(1, message="loud"))])
        versions.overloaded = False
        stage.handle([record(event(1, message="loud"))])
        stage.flush()

    assert len(signals(bus)) == 1


def test_a_policy_that_is_lost_leaves_the_defaults(bus: EmbeddedBus) -> None:
    with worker(bus, note='{"policy":3}') as stage:
        stage.handle([record(event(1, message="loud"))])
        stage.flush()

    assert [each.policy for each in signals(bus)] == [0]


@pytest.mark.parametrize(
    "value",
    [b"no policy", b'{"tenant":"council","version":9}', b'{"version":9}', b"\xff"],
)
def test_what_is_no_policy_of_the_tenant_is_malformed(bus: EmbeddedBus, value: bytes) -> None:
    with worker(bus) as stage:
        with pytest.raises(Malformed):
            stage.handle([record(value, headers={"kind": "policy"})])

        assert json.loads(stage.note(PLACE)) == {"policy": 0, "rules": 0}


def test_a_record_of_an_unknown_kind_is_malformed(bus: EmbeddedBus) -> None:
    with worker(bus) as stage, pytest.raises(Malformed, match="'weather'"):
        stage.handle([record(b"{}", headers={"kind": "weather"})])


GARBAGE = [
    b"no json at all",
    b"\xff\xfe\x00",
    b"[]",
    b"{}",
    b'{"soc":{}}',
    b'{"soc":null}',
    b'{"soc":' * 5000,
    b"[" * 100_000,
    event(1, message="loud").replace(b'"v":1', b'"v":99'),
    event(1, tenant="council", message="loud"),
    event(1, message="loud").replace(b"linux//sshd", b"linux-sshd"),
    event(1, message="loud REFUSED"),
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_a_line_that_is_no_event_is_set_aside_and_the_others_go_on(
    bus: EmbeddedBus, garbage: bytes
) -> None:
    with worker(bus) as stage:
        stage.handle([record(event(1, message="loud"), garbage, event(2, message="loud"))])
        stage.flush()

    letter = json.loads(read(bus, "dead.")[0])
    assert [each.place.line for each in signals(bus)] == [0, 2]
    assert (letter["stage"], letter["offset"], letter["line"]) == ("detection", 7, 1)
    assert letter["reason"]


def test_an_event_of_no_known_log_source_matches_nothing_and_is_no_fault(bus: EmbeddedBus) -> None:
    line = event(1, message="loud").replace(b',"logsources":["linux//sshd"]', b"")
    assert b"logsources" not in line

    with worker(bus) as stage:
        stage.handle([record(line)])
        stage.flush()

    assert signals(bus) == []
    assert read(bus, "dead.") == []


def test_a_large_event_is_left_out_of_its_signal_and_marked(bus: EmbeddedBus) -> None:
    with worker(bus) as stage:
        stage.handle([record(event(1, message="loud" + "x" * 20_000))])
        stage.flush()

    found = signals(bus)[0]
    assert bytes(found.body) == b"null"
    assert found.marks == ("sender_unproven", "body_left_out")


def test_an_event_that_only_the_lenient_decoder_reads_makes_a_signal_that_all_can_read(
    bus: EmbeddedBus,
) -> None:
    fields, soc = {"message": "loud \ud800"}, json.loads(event(1))["soc"]
    soc["related"] = {"user": ["j\ud800ne"]}

    with worker(bus) as stage:
        stage.handle([record(dumps({**fields, "soc": soc}))])
        stage.flush()

    found = signals(bus)[0]
    assert found.entity == Entity("user", "j?ne")
    assert loads(bytes(found.body))["message"] == "loud ?"


def test_many_signals_of_one_record_are_split_below_the_limit_in_order(bus: EmbeddedBus) -> None:
    lines = [event(number, message="loud " + "x" * 10_000) for number in range(300)]

    with worker(bus) as stage:
        stage.handle([record(*lines)])
        stage.flush()

    values = read(bus, "signals.")
    assert max(map(len, values)) <= 900_000
    assert len(values) > 3
    assert [each.place.line for each in signals(bus)] == list(range(300))


def test_a_revoked_partition_is_forgotten(bus: EmbeddedBus) -> None:
    policy = Policy(tenant="school", version=3)

    with worker(bus, versions=Announced(policy)) as stage:
        stage.handle([policy_record(policy)])
        stage.revoked(frozenset({PLACE}))

        assert json.loads(stage.note(PLACE)) == {"policy": 0, "rules": 0}


SIGMA = """
title: Root shell
id: 0a1b2c3d-0000-4000-8000-000000000001
status: test
logsource: {product: linux, service: sshd}
detection:
  selection: {message|contains: 'root shell'}
  condition: selection
level: high
"""


def test_the_sigma_engine_serves_as_the_rules(bus: EmbeddedBus, tmp_path: Path) -> None:
    (tmp_path / "rule.yml").write_text(SIGMA)
    engine = load([tmp_path / "rule.yml"])

    with worker(bus, engine) as stage:
        stage.handle([record(event(1, message="a Root Shell"), b"garbage", event(2, message="x"))])
        stage.flush()

    found = signals(bus)
    assert [(each.rule[-1], each.place.line, each.ruleset) for each in found] == [
        ("1", 0, engine.version)
    ]
    assert len(read(bus, "dead.")) == 1
