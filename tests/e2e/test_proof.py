"""The short form of `make proof`: real logs, every public rule, detection killed in mid-flight."""

import json
from pathlib import Path

from tests.e2e.installation import citysoc


def test_real_logs_give_exactly_the_matches_of_detect_although_detection_is_killed(
    corpora: Path, tmp_path: Path
) -> None:
    report = tmp_path / "proof.json"

    done = citysoc(
        *("proof", "--corpora", str(corpora), "--records", "2500", "--kills", "1"),
        *("--report", str(report)),
    )

    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert found["holds"]
    assert found["kills_with_lag_and_redelivery"] >= 1
    assert found["signals_once"] == found["matches_expected"] > 20
    assert found["alert_items_on_pages"] == found["alert_items"] > 5


def test_a_proof_without_corpora_says_what_to_name(tmp_path: Path) -> None:
    done = citysoc("proof", "--corpora", str(tmp_path))

    assert done.returncode == 2
    assert "--corpora" in done.stderr
