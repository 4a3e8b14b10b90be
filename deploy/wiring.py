"""Which adapter stands behind each contract, as the settings say; left out, the embedded ones."""

import threading
from pathlib import Path

import structlog
from sqlalchemy import URL

from collectors.bus.contract import Bus, Overloaded, Retention
from collectors.bus.embedded import EmbeddedBus
from deploy.installation_key import open_key
from deploy.refresh import follow
from deploy.rule_sets import InstalledRuleSets, Places
from deploy.settings import Settings, Unset
from detection.rule_sets import SETTINGS
from detection.sigma import Engine
from enrichment.enrichers.add_asset import AddAsset
from enrichment.register import AssetRegister
from tenants.database import Database
from tenants.pseudonyms import Pseudonyms
from tenants.registry import DAY, Registry, topic_plan
from tenants.source_kinds import Endpoints
from tenants.store.contract import EventStore
from tenants.store.embedded import EmbeddedStore

LOG = structlog.get_logger()
BUS_FILE = "bus.sqlite"
DETECTION_BATCH = 32
"""Records: at 64 KiB each 2 MiB of events, so that an alert is not long on its way."""
INDEXER_BATCH = 256
"""Records: enough for several bulks, so that making one and indexing another go side by side."""
TIDY_SECONDS = 3600.0


def secret_in(file: Path) -> str:
    """What a file of one secret holds. Raises Unset where it can't be read."""
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unset(f"{file}: expected a file with a secret in it: {error}") from error


def open_bus(settings: Settings) -> Bus:
    """The broker."""
    kafka = settings.bus.kafka
    if kafka is None:
        return EmbeddedBus(settings.data / BUS_FILE)
    from collectors.bus.kafka import KafkaBus, KafkaSettings

    return KafkaBus(KafkaSettings(**kafka.model_dump()))


def open_database(settings: Settings) -> Database:
    """Tenants, people and the queue; migrated to this version."""
    settings.data.mkdir(parents=True, exist_ok=True)
    if settings.database.url_file is not None:
        return Database.open(secret_in(settings.database.url_file))
    path = settings.data.resolve() / "triage.sqlite"
    return Database.open(URL.create("sqlite", database=str(path)).render_as_string())


def open_registry(settings: Settings) -> Registry:
    """What the stages need to know of the tenants."""
    return registry_of(open_database(settings), settings)


def registry_of(database: Database, settings: Settings) -> Registry:
    """The registry, with topics as the settings want them."""
    kept = Retention(seconds=settings.bus.keep_days * DAY, bytes=settings.bus.keep_bytes)
    plan = topic_plan(partitions=settings.bus.partitions, retention=kept)
    return Registry(database, topics=plan)


def open_store(settings: Settings) -> EventStore:
    """Searchable events."""
    search = settings.store.elasticsearch
    if search is None:
        return EmbeddedStore(settings.data / "store")
    from tenants.store.elasticsearch import ElasticsearchStore

    password = secret_in(search.password_file) if search.password_file else ""
    return ElasticsearchStore(
        search.url, user=search.user, password=password, ca_file=search.ca_file
    )


def endpoints(settings: Settings) -> Endpoints:
    """Where people and partners reach this installation."""
    return Endpoints(
        console=f"http://{settings.host}:{settings.port}",
        ingest=f"http://{settings.host}:{settings.ingest_port}",
        syslog_host=settings.host,
        syslog_port=settings.syslog_port,
    )


def open_rule_sets(settings: Settings, registry: Registry) -> InstalledRuleSets:
    """Every rule set of the installation."""
    return InstalledRuleSets(Places(settings, registry), told=_tell_rules)


def _tell_rules(engine: Engine) -> None:
    """What can't be used is logged with file and line, and stops nothing."""
    for fault in engine.faults:
        LOG.error("rule refused", place=f"{fault.path}:{fault.line}", reason=fault.message)
    for notice in engine.notices:
        LOG.warning("rule noted", place=f"{notice.path}:{notice.line}", reason=notice.message)
    LOG.info("rules loaded", version=engine.version, rules=engine.size, refused=len(engine.faults))


def follow_releases(registry: Registry, sets: InstalledRuleSets, stop: threading.Event) -> None:
    """Load each released rule set before its record comes; returns once the first is there."""
    latest = SETTINGS

    def changed() -> None:
        nonlocal latest
        latest = registry.latest_release().version
        sets.prepare(latest)

    follow(registry, changed, stop)
    while not stop.is_set():
        try:
            sets.engine(latest)
        except Overloaded as error:
            LOG.info("rules are coming", reason=str(error))
        else:
            return


def follow_assets(registry: Registry, stop: threading.Event) -> AddAsset:
    """The enricher that adds assets, with registers that follow every change."""
    enricher = AddAsset()

    def changed() -> None:
        enricher.replace(
            {tenant: AssetRegister(registry.assets(tenant)) for tenant in registry.tenants()}
        )

    follow(registry, changed, stop)
    return enricher


def pseudonyms(settings: Settings) -> Pseudonyms:
    """For the tenants that want others to see these in place of names."""
    named = [tenant for tenant, said in settings.anomaly.tenants.items() if said.pseudonyms]
    return Pseudonyms(open_key(settings), named)
