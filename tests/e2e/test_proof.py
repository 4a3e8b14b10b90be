"""The short form of `make proof`: real logs, every public rule, killed in mid-flight."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.installation import citysoc


def proof(corpora: Path, report: Path, *arguments: str) -> dict[str, Any]:
    """The report of a proof that must hold."""
    done = citysoc(
        *("proof", "--corpora", str(corpora), "--records", "2500", "--report", str(report)),
        *arguments,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(report.read_text())
    assert found["holds"]
    assert found["signals_once"] == found["matches_expected"] > 20
    assert found["alert_items_on_pages"] == found["alert_items"] > 5
    return found


@pytest.mark.usefixtures("kafka_server", "elasticsearch_server", "postgresql_server")
def test_killed_at_work_both_stacks_end_in_the_matches_of_detect_and_in_one_hash(
    corpora: Path, tmp_path: Path
) -> None:
    embedded, local = tmp_path / "embedded.json", tmp_path / "local.json"

    with ThreadPoolExecutor(2) as both:
        files = both.submit(proof, corpora, embedded, "--kills", "1")
        servers = both.submit(proof, corpora, local, "--stack", "local", "--workers", "2")
    on_files, on_servers = files.result(), servers.result()
    compared = citysoc("proof", "--compare", str(embedded), "--compare", str(local))

    assert on_files["kills_with_lag_and_redelivery"] >= 1
    assert all(on_servers["records_waiting_at_kills"].values())
    assert compared.returncode == 0, compared.stdout
    assert on_files["hash"] in compared.stdout


def test_runs_that_differ_are_called_so(tmp_path: Path) -> None:
    reports = [tmp_path / "a.json", tmp_path / "b.json"]
    for number, report in enumerate(reports):
        said = {"hash": str(number), "stack": "embedded", "workers": 1, "holds": True}
        report.write_text(json.dumps(said))

    done = citysoc("proof", "--compare", str(reports[0]), "--compare", str(reports[1]))

    assert done.returncode == 1
    assert "NOT the same" in done.stdout


def test_a_proof_without_corpora_says_what_to_name(tmp_path: Path) -> None:
    done = citysoc("proof", "--corpora", str(tmp_path))

    assert done.returncode == 2
    assert "--corpora" in done.stderr
