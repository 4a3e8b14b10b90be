"""What a stage loads before it works: starting is quick and small where it needs little."""

import subprocess
import sys

import pytest

LEARNING = {"sklearn", "scipy", "pandas"}
PAGES = {"fastapi", "uvicorn"}
SERVERS = {"kafka", "elasticsearch", "psycopg"}


@pytest.mark.parametrize(
    ("module", "spared"),
    [
        ("deploy.stages", LEARNING | PAGES | SERVERS),
        ("deploy.behaviour", LEARNING | PAGES | SERVERS),
        ("deploy.serving", LEARNING | SERVERS),
        ("deploy.command", LEARNING | PAGES | SERVERS | {"sqlalchemy", "numpy"}),
    ],
)
def test_only_what_is_used_is_loaded(module: str, spared: set[str]) -> None:
    code = f"import {module}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert spared.isdisjoint(done.stdout.split())
