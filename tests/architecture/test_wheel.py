"""The wheel holds everything that the packages need at run time, and nothing else's names."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = (
    "collectors/fields.yml",
    "collectors/recognise.yml",
    "tenants/source_kinds.yml",
    "tenants/console/templates/queue.html",
    "tenants/console/static/console.css",
    "tenants/store/filter_help.md",
    "deploy/settings.example.yml",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_modules_data_and_rules(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    assert [name for name in NEEDED if name not in names] == []
    assert sum(name.startswith("rules/library/") for name in names) >= 80
    assert sum(name.startswith("deploy/demo/samples/") for name in names) > 5
    assert not [name for name in names if name.startswith("tests/")]


def test_the_command_runs_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    event = '{"message": "x"}\n'
    rules = tmp_path / "site" / "rules" / "library"

    done = subprocess.run(
        [sys.executable, "-m", "deploy", "detect", "--rules", str(rules), "--stats", "-"],
        input=event,
        cwd=tmp_path / "site",
        env={"PYTHONPATH": str(tmp_path / "site"), "HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert '"rules_failed": 0' in done.stderr or '"rules_failed":0' in done.stderr
