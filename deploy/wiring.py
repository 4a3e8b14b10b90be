"""Which adapter stands behind each contract; today the embedded ones, files of one machine."""

import threading
from collections.abc import Sequence

import structlog

from collectors.bus.contract import Overloaded
from collectors.bus.embedded import EmbeddedBus
from collectors.health import Progress
from deploy.refresh import follow, guard
from deploy.settings import Settings
from detection.sigma.ruleset import Engine, load
from enrichment.enrichers.add_asset import AddAsset
from tenants.database import Database
from tenants.registry import Registry
from tenants.source_kinds import Endpoints
from tenants.store.embedded import EmbeddedStore

LOG = structlog.get_logger()
BUS_FILE = "bus.sqlite"
DETECTION_BATCH = 32
"""Records: at 64 KiB each 2 MiB of events, so that an alert is not long on its way."""
INDEXER_BATCH = 64
TIDY_SECONDS = 3600.0


def open_bus(settings: Settings) -> EmbeddedBus:
    """The broker."""
    return EmbeddedBus(settings.data / BUS_FILE)


def open_database(settings: Settings) -> Database:
    """Tenants, people and the queue; migrated to this version."""
    settings.data.mkdir(parents=True, exist_ok=True)
    return Database.open(f"sqlite:///{settings.data.resolve() / 'triage.sqlite'}")


def open_registry(settings: Settings) -> Registry:
    """What the stages need to know of the tenants."""
    return Registry(open_database(settings))


def open_store(settings: Settings) -> EmbeddedStore:
    """Searchable events."""
    return EmbeddedStore(settings.data / "store")


def endpoints(settings: Settings) -> Endpoints:
    """Where people and partners reach this installation."""
    return Endpoints(
        console=f"http://{settings.host}:{settings.port}",
        ingest=f"http://{settings.host}:{settings.ingest_port}",
        syslog_host=settings.host,
        syslog_port=settings.syslog_port,
    )


def load_engine(settings: Settings) -> Engine:
    """Every rule that can be used; what can't is logged with file and line, and stops nothing."""
    engine = load(settings.detection.rules, pipelines=settings.detection.pipelines)
    for fault in engine.faults:
        LOG.error("rule refused", place=f"{fault.path}:{fault.line}", reason=fault.message)
    for notice in engine.notices:
        LOG.warning("rule noted", place=f"{notice.path}:{notice.line}", reason=notice.message)
    LOG.info("rules loaded", rules=len(engine.rules), refused=len(engine.faults))
    return engine
