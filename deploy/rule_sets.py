"""Every rule set of an installation: those that were imported, and the one of the settings."""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path

import structlog

from collectors.bus.contract import Overloaded
from deploy.settings import Settings
from detection.rule_sets import SETTINGS, Files
from detection.sigma import Engine, load
from rules.bundle import PIPELINES, RULES, unpack
from rules.correlations import Correlation
from rules.counting import read_correlations
from tenants.registry import Registry

LOG = structlog.get_logger()
FOLDER = "rule-sets"
"""Below the data folder: what was imported, unpacked."""
KNOWN = 256
"""Versions whose place is remembered."""
ENGINES = 2
"""Kept loaded: the one in force, and the one before it or the one that comes."""
DEFINITIONS = 4
"""Sets whose correlations are kept read."""
PATIENCE = 1.0
"""Seconds that a stage waits for an engine before it says that it is overloaded, and why."""


_VERSION = re.compile("[0-9a-f]{32}")


class Places:
    """Finds the files of each rule set, unpacking what was imported into the data folder."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self._settings = settings
        self._folder = settings.data / FOLDER
        self._registry = registry

        self._known: dict[str, Files] = {}

    def of(self, version: str) -> Files:
        """The rules of the settings stand in for what was never imported. Raises Overloaded."""
        found = self._known.get(version)
        if found is None:
            if len(self._known) > KNOWN:
                self._known.clear()
            found = self._known[version] = self._found(version)
        return found

    def _found(self, version: str) -> Files:
        if not _VERSION.fullmatch(version):
            return self._of_the_settings()
        folder = self._folder / version
        if not folder.is_dir():
            try:
                bundle = unpack(self._registry.bundle(version))
            except KeyError:
                return self._of_the_settings()
            try:
                bundle.write(folder)
            except OSError as error:
                raise Overloaded(f"rule set {version} can't be unpacked: {error}") from error
        return unpacked(version, folder)

    def _of_the_settings(self) -> Files:
        detection = self._settings.detection
        return Files(detection.rules, detection.pipelines)


def unpacked(version: str, folder: Path) -> Files:
    """The files of a rule set that was unpacked there."""
    return Files([folder / RULES], sorted((folder / PIPELINES).iterdir()), version)


class InstalledRuleSets:
    """Loads each set once, in a thread of its own, beside the one that is at work."""

    def __init__(self, places: Places, *, told: Callable[[Engine], None]) -> None:
        """`told` is called once for each engine that has been loaded."""
        self._places = places
        self._told = told
        self._loading = ThreadPoolExecutor(1, thread_name_prefix="rules")
        self._lock = threading.Lock()
        self._engines: OrderedDict[str, Future[Engine]] = OrderedDict()
        self._correlations: OrderedDict[str, Sequence[Correlation]] = OrderedDict()

    def engine(self, version: str) -> Engine:
        """See detection.rule_sets.RuleSets."""
        try:
            return self.prepare(version).result(PATIENCE)
        except NotYet as error:
            raise Overloaded(f"rule set {version or 'of the settings'} is being loaded") from error

    def prepare(self, version: str) -> Future[Engine]:
        """Begin to load a set, so that it is there when its record comes."""
        with self._lock:
            found = self._engines.get(version)
            if found is None or (found.done() and found.exception() is not None):
                found = self._engines[version] = self._loading.submit(self._load, version)
            self._engines.move_to_end(version)
            if len(self._engines) > ENGINES:
                self._engines.popitem(last=False)
            return found

    def correlations(self, version: str) -> Sequence[Correlation]:
        """See detection.rule_sets.RuleSets."""
        files = self._places.of(version)
        with self._lock:
            found = self._correlations.get(files.version)
        if found is None:
            found = read_correlations(files.rules)
        with self._lock:
            self._correlations[files.version] = found
            self._correlations.move_to_end(files.version)
            if len(self._correlations) > DEFINITIONS:
                self._correlations.popitem(last=False)
        return found

    def files(self, version: str) -> Files:
        """See detection.rule_sets.RuleSets."""
        return self._places.of(version)

    def close(self) -> None:
        """Begin no more loading."""
        self._loading.shutdown(wait=False, cancel_futures=True)

    def _load(self, version: str) -> Engine:
        files = self._places.of(version)
        engine = load(files.rules, pipelines=files.pipelines)
        if files.version != SETTINGS:
            engine.version = files.version  # signals name what the registry knows it by
        self._told(engine)
        return engine
