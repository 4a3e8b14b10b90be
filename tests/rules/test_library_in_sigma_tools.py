"""The library in the hands of Sigma's own command line, without a network."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

import rules

FOLDER = Path(rules.__file__).parent
LIBRARY = FOLDER / "library"
RULES_ONLY = ("-P", "*[!.]?????.yml")
"""Every `.yml` but `.cases.yml`, as a glob can say it."""


def sigma(*arguments: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run `sigma` where nothing can be downloaded and nothing was downloaded before."""
    command = Path(sys.executable).with_name("sigma")
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    environment = {**os.environ, **nowhere, "no_proxy": "", "HOME": str(home)}
    return subprocess.run(
        [command, *arguments], capture_output=True, text=True, env=environment, timeout=120
    )


def detections() -> list[Path]:
    """Rules that stand for themselves: no correlation."""
    files = [each for each in LIBRARY.rglob("*.yml") if not each.name.endswith(".cases.yml")]
    return [each for each in files if "detection" in yaml.safe_load(each.read_text("utf-8"))]


def test_sigma_check_has_nothing_to_say(tmp_path: Path) -> None:
    said = sigma(
        "check", "-i", "-c", FOLDER / "validation.yml", *RULES_ONLY, LIBRARY, home=tmp_path
    )

    assert said.returncode == 0, said.stdout + said.stderr
    assert "Found 0 errors, 0 condition errors and 0 issues" in said.stdout


def test_sigma_check_says_what_is_wrong_with_a_rule(tmp_path: Path) -> None:
    [some, *_] = detections()
    spoilt = some.read_text("utf-8").replace("condition: selection", "condition: selected")
    (tmp_path / "some_rule.yml").write_text(spoilt, "utf-8")

    said = sigma("check", "-i", "-c", FOLDER / "validation.yml", tmp_path, home=tmp_path)

    assert said.returncode != 0
    assert "selected" in said.stdout


def test_sigma_convert_makes_a_lucene_query_of_every_rule(tmp_path: Path) -> None:
    """Its Lucene back end knows no correlations, so their folder is left out."""
    converted = tmp_path / "queries"

    said = sigma(
        *("convert", "-t", "lucene", "--without-pipeline", "--skip-unsupported", *RULES_ONLY),
        *("-o", converted, *LIBRARY.glob("[!c]*")),
        home=tmp_path,
    )

    assert said.returncode == 0, said.stderr
    queries = [line for line in converted.read_text("utf-8").splitlines() if line]
    assert len(queries) >= len(detections()) > 80
