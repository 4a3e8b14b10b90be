"""`citysoc up --demo`, seen by a person: it fills, it stops, it goes on, it says what is wrong."""

import json
import os
import signal
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.e2e.installation import alive, citysoc, running, wait_for

TENANTS = {
    "council": "Riverside City Council",
    "nhstrust": "Riverside NHS Foundation Trust",
    "school": "Northgate School",
}
ATTACKS = ("Volume shadow copies deleted", "Web server starts a shell", "Shell connects back")


def test_the_demo_shows_its_attacks_on_the_first_page(browser: Browser, tmp_path: Path) -> None:
    with running(tmp_path / "city", "--demo") as city:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{city.port}/")
        page.get_by_label("User").fill("analyst")
        page.get_by_label("Password").fill(city.logins["analyst"])
        page.get_by_role("button", name="Sign in").click()

        wait_for(lambda: all(len(city.alerts(tenant)) > 4 for tenant in TENANTS))
        page.reload()

        for name in TENANTS.values():
            expect(page.get_by_role("row").filter(has_text=name).first).to_be_visible()
        wait_for(lambda: page.reload() and all(page.get_by_text(a).count() for a in ATTACKS))
        for name in ATTACKS:
            expect(page.get_by_role("row").filter(has_text=name).first).to_contain_text("Critical")
        page.goto(f"http://127.0.0.1:{city.port}/queue?text=unusual")
        wait_for(lambda: page.reload() and page.get_by_text("Unusual behaviour").count())
        page.get_by_text("Unusual behaviour").first.click()
        expect(page.get_by_role("heading", name="What is unusual")).to_be_visible()
        page.close()


def test_the_demo_stops_at_once_and_goes_on_with_nothing_doubled(tmp_path: Path) -> None:
    with running(tmp_path / "city", "--demo") as city:
        wait_for(lambda: city.alerts("council"))
        port, logins = city.port, city.logins

        seconds = city.stop()

    assert seconds < 5
    with running(tmp_path / "city", "--demo", port=port) as city:
        wait_for(lambda: all(len(city.alerts(tenant)) > 8 for tenant in TENANTS))
        places = [
            (tenant, item["rule"], item["entity"]["name"])
            for tenant in TENANTS
            for item in city.alerts(tenant)
        ]
        assert len(places) == len(set(places))
        assert city.logins == logins


def test_a_killed_stage_is_started_again(tmp_path: Path) -> None:
    with running(tmp_path / "city") as city:
        before = city.pids()
        os.kill(before["indexer"], signal.SIGKILL)

        wait_for(lambda: city.pids()["indexer"] not in (None, before["indexer"]))
        assert {**city.pids(), "indexer": 0} == {**before, "indexer": 0}


def test_stages_end_when_the_one_who_started_them_is_killed(tmp_path: Path) -> None:
    with running(tmp_path / "city") as city:
        pids = city.pids()

        city.process.kill()
        city.process.wait(10)

        wait_for(lambda: not any(map(alive, pids.values())), 15)


def test_an_empty_start_shows_one_password_once(tmp_path: Path) -> None:
    with running(tmp_path / "city") as city:
        assert set(city.logins) == {"admin"}
        port = city.port

    with running(tmp_path / "city", port=port) as city:
        assert city.logins == {}


def test_what_stages_log_is_json_to_the_last_line(tmp_path: Path) -> None:
    with running(tmp_path / "city") as city:
        logs = city.data / "logs"

    lines = [line for log in logs.glob("*.jsonl") for line in log.read_text().splitlines()]
    assert {json.loads(line)["stage"] for line in lines} >= {"collectors", "detection", "serve"}
    assert [line for line in lines if json.loads(line)["level"] == "error"] == []


def test_a_second_start_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with running(tmp_path / "city") as city:
        second = citysoc("up", "--data", str(city.data), "--port", str(city.port + 40))

    assert second.returncode == 2
    assert "--data" in second.stderr


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with running(tmp_path / "one") as city:
        second = citysoc("up", "--data", str(tmp_path / "two"), "--port", str(city.port))

    assert second.returncode == 2
    assert f"port {city.port + 1} (collectors)" in second.stderr
    assert "--port" in second.stderr
