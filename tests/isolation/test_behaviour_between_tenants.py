"""Nothing of one tenant can be read off another's alerts, models or memory of behaviour."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from collectors.bus.embedded import EmbeddedBus
from detection.alert import Alert
from detection.anomaly import lessons
from detection.anomaly.checkpoint import CheckpointFiles
from detection.anomaly.lessons import Said
from detection.anomaly.split import Heard
from detection.anomaly.tenant import Kept
from tests.behaviour import START, behaviour, counting, days, opened, publish, said, work
from tests.buses import Clock

DAYS = 3
PLANTED = [96 * 2 + 40]
ANALYST = "zqanalystqz"
TEXTS = (b"school", b"zq", b"ws-0", b"dump", b"explorer")
"""What stands in the school's events, and in the person's name who judged its alert."""


def city(
    folder: Path, *tenants: str, verdict: str = "", declines: Sequence[str] = ()
) -> dict[str, dict[str, Alert]]:
    """Days of these tenants, each with something odd; then, maybe, a verdict on the school's."""
    clock = Clock(START)
    with opened(folder / "bus.db", clock, *tenants) as bus:
        for tenant in tenants:
            publish(bus, clock, days(DAYS, hosts=4, tenant=tenant, planted=PLANTED), tenant)
        work(bus, counting(bus), "events.")
        _watch(bus, folder, declines)
        found = {tenant: said(bus, tenant) for tenant in tenants}
        if verdict:
            _judge(bus, next(iter(found["school"])), verdict)
            _watch(bus, folder, declines)
            _watch(bus, folder, declines)
        return found


def _watch(bus: EmbeddedBus, folder: Path, declines: Sequence[str]) -> None:
    stage = behaviour(bus, folder, contributes=lambda tenant: tenant not in declines)
    work(bus, stage, "behaviour.")
    stage.close()


def _judge(bus: EmbeddedBus, alert: str, verdict: str) -> None:
    told = Said(alert=alert, verdict=verdict, analyst=ANALYST, closed="2026-11-05T09:00:00Z")
    with contextlib.closing(bus.producer()) as producer:
        headers = {"kind": lessons.VERDICTS}
        producer.send("behaviour.school", lessons.encode(told), headers=headers)


def kept(folder: Path, tenant: str) -> Kept:
    found = CheckpointFiles(folder / "state").load(tenant)
    assert found is not None
    return found


def models(folder: Path, tenant: str) -> dict[str, bytes]:
    """The content of each model, without its signature."""
    paths = (folder / "models" / tenant).rglob("*.model")
    return {path.name: path.read_bytes().partition(b"\n")[2] for path in paths}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Alert]]:
    folder = tmp_path_factory.mktemp("alone")
    return folder, city(folder, "council")["council"]


def test_a_tenant_knows_and_says_the_same_whether_the_other_is_there_or_not(
    alone: tuple[Path, dict[str, Alert]], tmp_path: Path
) -> None:
    folder, alerts = alone

    both = city(tmp_path, "council", "school")

    assert both["council"] == alerts
    assert models(tmp_path, "council") == models(folder, "council")
    assert kept(tmp_path, "council").profiles == kept(folder, "council").profiles


def test_a_verdict_reaches_others_without_any_name_or_value(
    alone: tuple[Path, dict[str, Alert]], tmp_path: Path
) -> None:
    folder, alerts = alone

    both = city(tmp_path, "council", "school", verdict="false_positive")

    theirs = kept(tmp_path, "council")
    shared = msgspec.json.encode(theirs.lessons)
    assert len(theirs.lessons.known) == 1
    assert not any(text in shared for text in TEXTS)
    assert both["council"] == alerts
    assert theirs.profiles == kept(folder, "council").profiles


def test_a_tenant_that_declines_to_contribute_teaches_itself_only(tmp_path: Path) -> None:
    city(tmp_path, "council", "school", verdict="false_positive", declines=["school"])

    assert len(kept(tmp_path, "school").lessons.known) == 1
    assert not kept(tmp_path, "council").lessons.known


def test_a_confirmed_attack_is_left_out_of_what_is_usual(tmp_path: Path) -> None:
    found = city(tmp_path, "school", verdict="true_positive")

    judged = next(iter(found["school"]))
    watch = kept(tmp_path, "school").profiles["windows_security"].watch
    assert watch is not None
    alert = kept(tmp_path, "school").profiles["windows_security"].alerting.told[judged]
    ends = {each.end for each in watch.past if each.entity == alert.entity}
    assert not any(alert.first < end <= alert.first + 86400 for end in ends)
    assert any(end <= alert.first for end in ends)
    assert watch.verdicts == {judged: Heard(alert.view, attack=True, at=alert.first)}
