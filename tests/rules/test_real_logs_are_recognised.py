"""Real logs are read, dated and known for what they are, without any hint."""

import gzip
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from collectors import recognise
from collectors.fields import entity, related
from collectors.formats import parse
from collectors.logsource import LogSource
from collectors.recognise import logsources
from collectors.sources.files import read_events

RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
RULE_SETS = ("rules", "rules-emerging-threats", "rules-threat-hunting")
ID = re.compile(r"^id: ([0-9a-f-]{36})", re.MULTILINE)
LOGSOURCE = re.compile(r"^logsource:\n((?:[ ]+.*\n)+)", re.MULTILINE)
NAMED_BY_EVENTS = ("zeek//", "suricata//")
"""Products whose events say their service themselves."""
DECLARED = {
    # Free text of applications and servers, which looks alike whoever wrote it.
    "//apache",
    "//nginx",
    "/database/",
    "django/application/",
    "fortios//sslvpnd",
    "jvm/application/",
    "nodejs/application/",
    "paloalto/appliance/globalprotect",
    "paloalto/file_event/globalprotect",
    "python/application/",
    "ruby_on_rails/application/",
    "spring/application/",
    "sql/application/",
    "velocity/application/",
    # Products of several makers under field names that their sources have yet to be mapped to.
    "/antivirus/",
    "cisco//duo",
    "huawei//bgp",
    "juniper//bgp",
}
"""Log sources that rules ask for and no content shows: the source must declare them."""


def id_of(rule: Path) -> str:
    found = ID.search(rule.read_text("utf-8"))
    assert found is not None, rule
    return found[1]


def logsource_of(rule: Path) -> LogSource:
    found = LOGSOURCE.search(rule.read_text("utf-8"))
    assert found is not None, rule
    named = yaml.safe_load(found[1])
    return LogSource(*(named.get(part, "") for part in LogSource._fields))


def every_shown() -> frozenset[LogSource]:
    """Every log source that content can show, but those with an event's own words in them."""
    windows = recognise._TABLES["windows"]
    pairs = {
        (channel, provider, event_id)
        for channel, service in (*windows["services"].items(), ("", ""))
        for provider in ("", *windows["providers"], *windows["traces"])
        for event_id in (
            -1,
            *windows["categories"].get(service, {}),
            *windows["traces"].get(provider, {}),
        )
    }
    programs = {
        each for program in recognise._TABLES["programs"] for each in recognise._of_program(program)
    }
    return frozenset(
        {each for pair in pairs for each in recognise._windows(*pair)}
        | programs
        | {each for named in recognise._FORMATS.values() for each in named}
        | {
            each
            for shape in recognise._SHAPES
            if not shape.each
            for each in recognise._named(shape.logsources, "")
        }
    )


def test_every_regression_case_is_served_by_what_its_events_show(corpora: Path) -> None:
    cases = sorted((corpora / "regression").rglob("*.evtx"))
    rules = {
        id_of(rule): rule
        for each in RULE_SETS
        for rule in (corpora / "sigma-rules" / each).rglob("*.yml")
    }
    missed = []
    for case in cases:
        asked = logsource_of(rules[case.stem])
        records = [record for record in read_events(str(case)) if record.fields is not None]
        if not any(
            each.serves(asked)
            for record in records
            for each in logsources(record.fields or {}, record.format)
        ):
            missed.append((case.parent.name, asked))

    assert missed == []
    assert len(cases) == 102


def test_every_log_source_that_rules_ask_for_is_shown_or_known_to_need_declaring(
    corpora: Path,
) -> None:
    rules = [rule for each in RULE_SETS for rule in (corpora / "sigma-rules" / each).rglob("*.yml")]
    asked = set(map(logsource_of, rules))
    shown = every_shown()

    unserved = {str(each) for each in asked if not any(have.serves(each) for have in shown)}

    assert {each for each in unserved if not each.startswith(NAMED_BY_EVENTS)} == DECLARED
    assert len(rules) > 3_700


@pytest.mark.parametrize(
    ("stream", "records", "unparsed", "undated", "products"),
    [
        ("windows.ndjson", 30_000, 0, 0, {"windows"}),
        ("aws-cloudtrail.ndjson", 1_445, 0, 0, {"aws"}),
        ("zeek.ndjson", 15_460, 0, 255, {"zeek"}),  # Zeek's list of its scripts has no times
        ("suricata-eve.ndjson", 282, 0, 0, {"suricata"}),
        ("apache-access.log", 10_000, 0, 0, {""}),
        ("linux-auth.log", 7_121, 0, 0, {"linux"}),
    ],
)
def test_every_record_of_a_real_stream_is_understood(
    corpora: Path, stream: str, records: int, unparsed: int, undated: int, products: set[str]
) -> None:
    seen: Counter[str] = Counter()
    found_products: set[str] = set()

    with gzip.open(corpora / "streams" / f"{stream}.gz") as lines:
        for line in lines:
            parsed = parse(line, received=RECEIVED)
            found = logsources(parsed.fields, parsed.format)
            names = related(parsed.fields, found)
            kind, _ = entity(names, found, "gate")
            found_products.update(each.product for each in found)
            seen["records"] += 1
            seen["unparsed"] += bool(parsed.marks)
            seen["undated"] += parsed.time is None
            seen["unknown"] += not found
            seen["about nothing"] += kind == "source"

    assert seen["records"] == records
    assert (seen["unparsed"], seen["undated"], seen["unknown"]) == (unparsed, undated, 0)
    assert found_products == products
    assert seen["about nothing"] < records / 10


def test_logins_under_attack_are_grouped_by_who_attacks(corpora: Path) -> None:
    about: Counter[str] = Counter()

    with gzip.open(corpora / "streams" / "linux-auth.log.gz") as lines:
        for line in lines:
            parsed = parse(line, received=RECEIVED)
            if parsed.fields.get("auth_method") == "password":
                found = logsources(parsed.fields, parsed.format)
                about[entity(related(parsed.fields, found), found, "gate")[0]] += 1

    assert about == {"ip": 901, "user": 2}  # two came from the machine itself
