"""The folders are the stages, and imports go upstream only."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAGES = ("collectors", "rules", "enrichment", "detection", "tenants", "deploy")
MODULES = sorted(
    module.name
    for stage in STAGES
    for module in pkgutil.walk_packages([str(ROOT / stage)], f"{stage}.")
    if not module.name.endswith(("__main__", ".env")) and ".versions." not in module.name
)
SOURCES = sorted(path for stage in STAGES for path in (ROOT / stage).rglob("*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_every_module_can_be_imported(name: str) -> None:
    module = importlib.import_module(name)

    assert module.__doc__, f"{name} says nothing of what it is for"


@pytest.mark.parametrize("stage", STAGES)
def test_no_other_distribution_owns_the_name(stage: str) -> None:
    owners = set(packages_distributions().get(stage, ["citysoc"]))

    assert owners == {"citysoc"}


def test_imports_go_upstream_only() -> None:
    lint = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_swallows_everything_or_unpickles(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))

    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else ""
            passed_on = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            broad = caught in ("", "Exception", "BaseException")
            assert passed_on or not broad, f"{path}:{node.lineno}"
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
            assert "pickle" not in names, f"{path}:{node.lineno}"


def test_the_top_level_holds_what_was_agreed() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()

    folders = {name.split("/")[0] for name in tracked if "/" in name}

    assert folders == {*STAGES, "tests", ".ci"}
