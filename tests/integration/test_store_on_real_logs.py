"""Search in real logs finds what the plain reading of the filter finds."""

import gzip
import itertools
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from collectors import codec
from tenants.store.contract import TenantStore
from tenants.store.embedded import EmbeddedStore
from tenants.store.filter import Filter
from tenants.store.matching import matches
from tests.contract.store_kit import event, found

STREAMS = ("windows", "aws-cloudtrail", "zeek", "suricata-eve")
EACH = 1_000
QUESTIONS = (
    "EventID:4688",
    "EventID in (1, 3, 4624)",
    r"Image:*\\svchost.exe not DestinationPort:443",
    r"TargetObject:HKLM\\*Services*",
    "Image:c:\\windows\\\\*",
    "powershell",
    "*host*",
    '"currentcontrolset services"',
    "userIdentity.type:IAMUser and errorCode:*",
    "sourceIPAddress:*.amazonaws.com",
    "eventName:Get* or eventName:List*",
    "id.resp_p < 1024 analyzer_name:*",
    "_path:analyzer failure_reason:*exception*mismatch*",
    "alert.severity >= 2",
    "10.47",
    "host:odd EventID >= 12",
)


def first_lines(stream: Path) -> list[bytes]:
    with gzip.open(stream.with_name(f"{stream.name}.ndjson.gz")) as lines:
        return list(itertools.islice(lines, EACH))


@pytest.fixture(scope="module")
def stored(
    corpora: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[TenantStore, list[dict[str, Any]]]]:
    lines = [line for name in STREAMS for line in first_lines(corpora / "streams" / name)]
    events = [
        event(number, codec.loads(line), related={"host": ["odd" if number % 2 else "even"]})
        for number, line in enumerate(lines)
    ]
    with closing(EmbeddedStore(tmp_path_factory.mktemp("store"))) as store:
        council = store.bind("council")
        for start in range(0, len(events), 700):
            council.write(events[start : start + 700])
        yield council, [codec.loads(one.line) for one in events]


@pytest.mark.parametrize("text", QUESTIONS)
def test_search_in_real_logs_agrees_with_the_plain_reading(
    stored: tuple[TenantStore, list[dict[str, Any]]], text: str
) -> None:
    council, events = stored
    query = Filter.parse(text)

    got = [one["soc"]["id"] for one in found(council, text)]

    assert got == [one["soc"]["id"] for one in reversed(events) if matches(query, one)]
    assert council.count(query) == len(got)
    assert got
