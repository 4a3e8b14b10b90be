"""Floors under what the model finds on a small real network: less than that is a step back."""

from pathlib import Path

import pytest

from tests.bench.anomaly import AIT, alerted, judge, replay, truth

TENANT = "russellmitchell"


def test_the_smallest_real_network_is_judged_as_well_as_ever(corpora: Path) -> None:
    path = corpora / "anomaly" / "ait" / f"{TENANT}.csv.gz"
    if not path.exists():
        pytest.skip(f"no {path}")

    found = judge(alerted(replay(AIT, TENANT, [path], 5.0)), truth(TENANT))

    assert found.pairs >= 9
    assert found.wrong <= 1
    assert found.wrong_benign == 0
