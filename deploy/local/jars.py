"""Fetches the servers' jars with Maven, once for all who share the cache."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

from deploy.local.contract import Unavailable

POM = Path(__file__).with_name("pom.xml")
PROFILES = ("kafka", "elasticsearch", "transport-netty4")
DESCRIPTOR = "META-INF/es-plugins/transport-netty4/plugin-descriptor.properties"
FETCH_SECONDS = 600


def cache() -> Path:
    """The folder that everything fetched is kept in: $CITYSOC_CACHE or ~/.cache/citysoc."""
    return Path(os.environ.get("CITYSOC_CACHE") or Path.home() / ".cache" / "citysoc") / "servers"


def folder() -> Path:
    """The jars of this version's pom: `kafka/`, `elasticsearch/` and `modules/transport-netty4/`.

    Safe for any number of processes at once: one fetches, the others wait for it.

    Raises:
        Unavailable: Maven is missing or could not fetch.

    """
    ready = cache() / hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    if ready.is_dir():
        return ready
    ready.parent.mkdir(parents=True, exist_ok=True)
    with (ready.parent / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.is_dir():
            _fetch(ready)
    return ready


def _fetch(ready: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable(
            f"needs Maven to fetch the servers' jars to {ready}: apt-get install maven"
        )
    fresh = ready.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for profile in PROFILES:
        _copy_dependencies(maven, profile, fresh)
    _make_module(fresh)
    # A folder appears whole or not at all: a rename is one step.
    fresh.rename(ready)


def _copy_dependencies(maven: str, profile: str, into: Path) -> None:
    log = into / "maven.log"
    command = [maven, "--batch-mode", "--file", str(POM), f"-P{profile}"]
    command += ["dependency:copy-dependencies", "-DincludeScope=runtime"]
    command += [f"-DoutputDirectory={into / profile}"]
    with log.open("wb") as output:
        try:
            code = subprocess.run(  # noqa: S603 – Maven on our own pom
                command,
                check=False,
                stdout=output,
                stderr=output,
                timeout=FETCH_SECONDS,
                cwd=into,
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise Unavailable(
                f"Maven fetched no jars of {profile} within {FETCH_SECONDS} s: is there a network?"
            ) from error
    if code:
        faults = re.findall(r"^\[ERROR\] (.+)$", log.read_text(errors="replace"), re.MULTILINE)
        said = faults[0] if faults else f"exit code {code}"
        raise Unavailable(f"Maven could not fetch the jars of {profile}: {said}")


def _make_module(fresh: Path) -> None:
    """Lay out the HTTP transport as a module folder, which Elasticsearch's loader asks for."""
    module = fresh / "modules" / "transport-netty4"
    module.mkdir(parents=True)
    for jar in (fresh / "transport-netty4").glob("*.jar"):
        if not (fresh / "elasticsearch" / jar.name).exists():
            shutil.copyfile(jar, module / jar.name)
    (plugin,) = module.glob("transport-netty4-*.jar")
    with zipfile.ZipFile(plugin) as archive:
        lines = archive.read(DESCRIPTOR).decode().splitlines(keepends=True)
    # On a class path there are no Java modules, so the descriptor may not name one.
    kept = [line for line in lines if not line.startswith("modulename=")]
    (module / "plugin-descriptor.properties").write_text("".join(kept))
