"""How often the library's rules match real logs, in which almost everything is ordinary."""

import gzip
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

import rules
from collectors.formats import parse
from collectors.logsource import LogSource
from collectors.recognise import logsources
from detection.policy import QUIET_LEVELS
from detection.sigma import Engine, load
from tenants.source_kinds import source_kinds

LIBRARY = Path(rules.__file__).parent / "library"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
STREAMS = {
    "windows.ndjson.gz": "windows",
    "aws-cloudtrail.ndjson.gz": "aws",
    "zeek.ndjson.gz": "zeek",
    "suricata-eve.ndjson.gz": "suricata",
    "apache-access.log.gz": "web",
    "linux-auth.log.gz": "linux",
}
"""File to the kind that its source would be onboarded as."""


@cache
def engine() -> Engine:
    return load([LIBRARY])


def matches(path: Path, declared: tuple[LogSource, ...]) -> tuple[int, Counter[str]]:
    """How many records a stream has, and how many each rule matches."""
    found: Counter[str] = Counter()
    count = 0
    with gzip.open(path) as lines:
        for line in lines:
            parsed = parse(line.rstrip(b"\r\n"), "auto", received=NOON)
            sources = logsources(parsed.fields, parsed.format, declared)
            found.update(rule.id for rule in engine().match(parsed.fields, sources))
            count += 1
    return count, found


@pytest.mark.parametrize("stream", STREAMS)
def test_a_rule_above_low_matches_less_than_one_event_in_a_thousand(
    stream: str, corpora: Path
) -> None:
    declared = source_kinds()[STREAMS[stream]].declares()

    count, found = matches(corpora / "streams" / stream, declared)

    assert count
    noisy = {
        engine().rules[rule].title: times
        for rule, times in found.items()
        if times * 1000 >= count and engine().rules[rule].level not in QUIET_LEVELS
    }
    assert not noisy


def test_the_windows_stream_holds_attacks_that_the_library_finds(corpora: Path) -> None:
    declared = source_kinds()["windows"].declares()

    _, found = matches(corpora / "streams" / "windows.ndjson.gz", declared)

    titles = {engine().rules[rule].title for rule in found}
    assert "LSASS memory dumped with comsvcs.dll" in titles
