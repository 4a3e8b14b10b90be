"""The demo's sample files and the times that they get."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from deploy.demo import scenario
from deploy.demo.city import CITY
from deploy.demo.journal import Journal
from deploy.demo.player import history, lap_steps
from deploy.demo.setup import demo_tenants
from deploy.demo.timeline import LAP_SECONDS, PARTS, Sample, load

START = datetime(2026, 3, 1, 0, 0, 5, 250_000, tzinfo=UTC)


def test_shipped_files_are_what_the_scenario_writes() -> None:
    written = scenario.files()

    shipped = {
        path.relative_to(scenario.SAMPLES).as_posix(): path.read_text(encoding="utf-8")
        for path in scenario.SAMPLES.rglob("*.tsv")
    }
    assert sorted(shipped) == sorted(written)
    differing = [name for name, text in written.items() if shipped[name] != text]
    assert not differing, "run `python -m deploy.demo.scenario`"


def test_samples_are_about_five_thousand_lines_in_under_three_megabytes() -> None:
    size = sum(path.stat().st_size for path in scenario.SAMPLES.rglob("*.tsv"))

    assert 4_500 <= len(load(*PARTS)) <= 5_500
    assert size < 3_000_000


def test_every_part_lies_in_its_time() -> None:
    day, attacks, live = load("ordinary"), load("attacks"), load("live")

    assert all(-scenario.DAY_SECONDS <= sample.at < 0 for sample in (*day, *attacks))
    assert all(0 <= sample.at < LAP_SECONDS for sample in live)


def test_every_source_of_the_samples_is_onboarded_and_the_other_way_round() -> None:
    sent = {(sample.tenant, sample.source) for sample in load(*PARTS)}

    onboarded = {(tenant.id, source.name) for tenant in demo_tenants() for source in tenant.sources}
    assert sent == onboarded


def test_every_tenant_registers_its_servers_and_someone_to_call() -> None:
    for tenant, organisation in zip(demo_tenants(), CITY, strict=True):
        hosts = {asset.name for asset in tenant.assets if asset.kind == "host"}
        assert {organisation.host(name) for name in organisation.servers} <= hosts
        assert all(asset.owner for asset in tenant.assets)
        assert tenant.users


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("iso", "2026-02-28T23:59:59.500Z"),
        ("seconds", "2026-02-28T23:59:59Z"),
        ("sysmon", "2026-02-28 23:59:59.500"),
        ("access", "28/Feb/2026:23:59:59 +0000"),
        ("epoch", "1772323199.500"),
    ],
)
def test_a_time_is_written_in_the_form_of_its_source(form: str, expected: str) -> None:
    sample = Sample(-5.75, "x", "council", "web", f"at {{time:{form}}} {{guid}}")

    assert sample.render(START) == f"at {expected} {{guid}}".encode()


def test_the_zone_of_the_first_start_does_not_move_events() -> None:
    sample = Sample(-60, "x", "council", "web", "{time:iso}")

    elsewhere = START.astimezone(timezone(timedelta(hours=-7)))

    assert sample.render(elsewhere) == sample.render(START)


def test_a_line_has_another_time_and_another_id_in_each_lap() -> None:
    sample = Sample(10, "live/council.web:3", "council", "web", "{id} {time:seconds}")

    assert sample.render(START, lap=0) == b"live/council.web:3+0 2026-03-01T00:00:15Z"
    assert sample.render(START, lap=2) == b"live/council.web:3+2 2026-03-01T01:00:15Z"


def test_steps_are_numbered_without_a_gap_and_go_to_one_door_each() -> None:
    past = history()
    laps = [lap_steps(len(past), lap, load("live")) for lap in range(3)]

    steps = [*past, *laps[0], *laps[1], *laps[2]]
    assert [step.number for step in steps] == list(range(len(steps)))
    assert all(len({(each.tenant, each.source) for each in step.samples}) == 1 for step in steps)
    windows = [each for each in load("ordinary") if each.source == "windows"]
    today = [step for step in past if not step.lap]
    assert sum(len(step.samples) for step in today) == len(load("ordinary", "attacks"))
    assert sum(map(len, (step.samples for step in past if step.lap))) == 3 * len(windows)


def test_what_is_usual_comes_before_the_day_with_the_attacks() -> None:
    times = [min(s.at + step.lap * LAP_SECONDS for s in step.samples) for step in history()]

    assert times[0] < -3 * 86_400
    assert all(later - earlier > -3600 for earlier, later in pairwise(times))


def test_a_live_line_is_never_sent_before_its_time() -> None:
    for step in lap_steps(0, 1, load("live")):
        assert all(each.at + LAP_SECONDS <= step.due for each in step.samples)


def test_a_journal_keeps_the_first_start_and_the_place(tmp_path: Path) -> None:
    path = tmp_path / "demo" / "journal"
    Journal(path, now=START).advance(41)

    again = Journal(path, now=START + timedelta(days=3))

    assert (again.start, again.done) == (START, 41)


def test_a_damaged_journal_is_named_and_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b'{"start":')

    with pytest.raises(ValueError, match="journal"):
        Journal(path, now=START)

    assert path.read_bytes() == b'{"start":'


def test_a_journal_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(msgspec.json.encode({"start": START, "done": 3, "colour": "red"}))

    with pytest.raises(ValueError, match="empty data folder"):
        Journal(path, now=START)
