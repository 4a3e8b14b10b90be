"""What the library says of the demo: almost nothing on an ordinary day, and every staged step."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import rules
from collectors.event import timestamp
from collectors.fields import entity, related
from collectors.formats import parse
from collectors.recognise import logsources
from deploy.demo.city import CITY
from deploy.demo.timeline import load as samples
from detection.policy import Policy, State
from detection.sigma import Engine, load
from tenants.source_kinds import source_kinds

LIBRARY = Path(rules.__file__).parent / "library"
START = datetime(2026, 11, 24, 17, 30, tzinfo=UTC)
TENANTS = [organisation.tenant for organisation in CITY]
MOST_ALERTS_A_DAY = 5


class Match(NamedTuple):
    """A rule, and the event of a tenant that it matched."""

    tenant: str
    level: str
    title: str
    entity: tuple[str, str]
    hour: str
    rule: str
    ips: tuple[str, ...]


@cache
def engine() -> Engine:
    return load([LIBRARY])


@cache
def played(part: str) -> tuple[Match, ...]:
    return tuple(_played(part))


def _played(part: str) -> Iterator[Match]:
    for sample in samples(part):
        parsed = parse(sample.render(START), "auto", received=START)
        declared = source_kinds()[sample.source].declares()
        sources = logsources(parsed.fields, parsed.format, declared)
        found = related(parsed.fields, sources)
        about = entity(found, sources, sample.source)
        assert parsed.time is not None, sample.body
        assert abs(parsed.time - START - timedelta(seconds=sample.at)) < timedelta(seconds=1)
        hour = timestamp(parsed.time)[:13]
        for rule in engine().match(parsed.fields, sources):
            yield Match(
                sample.tenant, rule.level, rule.title, about, hour, rule.id,
                tuple(found.get("ip", ())),
            )  # fmt: skip


def alerts(part: str, tenant: str) -> Counter[tuple[str, str, tuple[str, str], str]]:
    """Level, title, entity and hour of what would reach the tenant's queue, and how often."""
    policy = Policy(tenant=tenant)
    return Counter(
        (each.level, each.title, each.entity, each.hour)
        for each in played(part)
        if each.tenant == tenant and policy.state(each.rule, each.level, "") is State.ALERT
    )


@pytest.mark.parametrize("tenant", TENANTS)
def test_an_ordinary_day_raises_few_alerts_and_none_above_medium(tenant: str) -> None:
    raised = alerts("ordinary", tenant)

    assert 1 <= len(raised) <= MOST_ALERTS_A_DAY
    assert {level for level, *_ in raised} == {"medium"}


@pytest.mark.parametrize("tenant", TENANTS)
def test_what_repeats_in_real_time_raises_no_alert(tenant: str) -> None:
    assert not alerts("live", tenant)


@pytest.mark.parametrize("tenant", TENANTS)
def test_attacks_raise_high_and_critical_alerts_in_every_tenant(tenant: str) -> None:
    levels = Counter(level for level, *_ in alerts("attacks", tenant))

    assert levels["critical"] >= 1
    assert levels["high"] >= 5


def test_one_address_stands_in_matches_of_all_three_tenants() -> None:
    seen_in = {each.tenant for each in played("attacks") if "203.0.113.66" in each.ips}

    assert seen_in == set(TENANTS)


@pytest.mark.parametrize(
    ("tenant", "steps"),
    [
        (
            "council",
            (
                "Office document starts a script host",
                "PowerShell downloads and runs code",
                "LSASS memory dumped with comsvcs.dll",
                "Command run remotely through PsExec",
                "Copy of the directory database made",
                "Windows backup or its catalogue deleted",
                "Volume shadow copies deleted",
            ),
        ),
        (
            "school",
            (
                "Script file written into a web site",
                "Command sent to a web shell",
                "Web server starts a shell",
                "Account made administrator on the command line",
                "Archive packed with a password",
                "Rclone copies data to the cloud",
                "Very large upload to the internet",
            ),
        ),
        (
            "nhstrust",
            (
                "Service account signed in over SSH from the internet",
                "sudo opens a root shell",
                "Shadow password file read",
                "Job file created for cron",
                "Cron job pipes a download into a shell",
                "Shell connects back to the network",
            ),
        ),
    ],
)
def test_every_step_of_an_attack_is_found(tenant: str, steps: tuple[str, ...]) -> None:
    found = {title for _, title, *_ in alerts("attacks", tenant)}

    assert set(steps) <= found
