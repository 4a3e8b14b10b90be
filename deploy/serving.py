"""Console and API as one web application, with what its pages say of the rules in force."""

import threading
from typing import NamedTuple

import uvicorn

from collectors.health import Progress
from deploy import wiring
from deploy.refresh import follow, guard
from deploy.rule_sets import Places
from deploy.settings import Settings
from detection.coverage import Needs, needs_of
from detection.reasoning import Reasoner
from detection.rule_sets import Files
from detection.sigma.ruleset import read_pipelines
from rules import catalog
from rules.info import RuleInfo
from tenants.api.app import create_app
from tenants.console.app import create_console
from tenants.database import Database
from tenants.policies import RuleText
from tenants.registry import Registry
from tenants.services import Services
from tenants.unusual import unusual_texts


class Texts(NamedTuple):
    """What pages say of rules; filled in, and again with every release."""

    rules: dict[str, RuleText]
    reasons: Reasoner
    needs: list[Needs]
    """What each asks of fields."""


def serve_app(
    settings: Settings, database: Database, progress: Progress, stop: threading.Event
) -> None:
    """Console and API until `stop` is set."""
    registry = wiring.registry_of(database, settings)
    places = Places(settings, registry)
    told = Texts({}, Reasoner(places.of), [])
    guard(lambda: _follow_rules(registry, places, told, stop), stop, "rule texts").start()
    events = wiring.open_store(settings)
    services = Services(
        database,
        events,
        endpoints=wiring.endpoints(settings),
        rules=told.rules,
        status=progress.report,
        reasons=told.reasons,
        needs=told.needs,
        budget=settings.anomaly.budget,
        city_budget=settings.anomaly.city_budget,
        pseudonyms=wiring.pseudonyms(settings),
    )
    config = uvicorn.Config(
        create_app(services, pages=create_console(services)),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    worker = guard(server.run, stop, "http")
    worker.start()
    stop.wait()
    server.should_exit = True
    worker.join(timeout=3)
    events.close()


def _follow_rules(registry: Registry, places: Places, told: Texts, stop: threading.Event) -> None:
    """Fill in what the rules in force say to people, now and after every release.

    Thousands of them take seconds, so pages come first.
    """
    shown: str | None = None

    def changed() -> None:
        nonlocal shown
        latest = registry.latest_release().version
        if latest != shown:
            _read_rules(places.of(latest), told)
            shown = latest

    follow(registry, changed, stop)
    stop.wait()


def _read_rules(files: Files, told: Texts) -> None:
    read_in = catalog.read(files.rules)
    written = [rule.info for rule in read_in.rules if rule.correlation is None]
    infos = [*written, *(each.info for each in read_in.correlations)]
    texts = {**unusual_texts(), **{info.id: _text(info) for info in infos}}
    told.rules.update(texts)
    for gone in told.rules.keys() - texts.keys():
        del told.rules[gone]
    paths = {rule.info.id: rule.info.path for rule in read_in.rules}
    told.reasons.learn(paths, {each.info.id for each in read_in.correlations}, files.version)
    pipeline = read_pipelines(files.pipelines)[0]
    told.needs[:] = needs_of(read_in.rules, pipeline=pipeline)


def _text(info: RuleInfo) -> RuleText:
    return RuleText(
        rule=info.id,
        title=info.title,
        level=info.level,
        ruleset=info.ruleset,
        description=info.description,
        advice=info.advice,
        tags=info.tags,
    )
