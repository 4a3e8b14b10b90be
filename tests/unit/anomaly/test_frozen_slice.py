"""Floors under what the model finds on a small real network: less than that is a step back."""

from pathlib import Path

import pytest

from detection.anomaly.replay import read_prior
from tests.bench.anomaly import AIT, TENANTS, after_attack, alerted, habits, replay
from tests.bench.anomaly_truth import judge, truth

TENANT = "russellmitchell"


def test_the_smallest_real_network_is_judged_as_well_as_ever(corpora: Path) -> None:
    path = corpora / "anomaly" / "ait" / f"{TENANT}.csv.gz"
    if not path.exists():
        pytest.skip(f"no {path}")

    found = judge(alerted(replay(AIT, TENANT, [path], 5.0)), truth(TENANT))

    assert found.pairs >= 9
    assert found.wrong <= 1
    assert found.wrong_benign == 0


def test_its_first_hour_is_judged_well_by_what_the_others_have_in_common(
    corpora: Path, tmp_path: Path
) -> None:
    if not (corpora / "anomaly" / "ait").exists():
        pytest.skip(f"no {corpora}/anomaly/ait")
    others = [habits(each, tmp_path) for each in TENANTS if each != TENANT]

    alone, helped = after_attack(TENANT, 1.0, read_prior(others, AIT), tmp_path)

    assert helped >= 0.85
    assert alone < 0.1
