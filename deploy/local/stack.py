"""`citysoc up --stack local`: the settings of an installation on the real servers beside it."""

import contextlib
from collections.abc import Iterator

from deploy.local.servers import Running, start
from deploy.settings import (
    DatabaseSettings,
    ElasticsearchSettings,
    KafkaSettings,
    Settings,
)


@contextlib.contextmanager
def local_stack(settings: Settings) -> Iterator[Settings]:
    """Start the three servers in the data folder and stop them at the end.

    Raises Unavailable, with what to do, where one can't run here.
    """
    running = start(settings.data / "servers")
    try:
        yield local_settings(settings, running)
    finally:
        running.stop()


def local_settings(settings: Settings, running: Running) -> Settings:
    """The same settings, on these servers."""
    url_file = settings.data / "database.url"
    url_file.touch(mode=0o600)
    url_file.write_text(running.postgresql)
    kafka = KafkaSettings(servers=running.kafka)
    elasticsearch = ElasticsearchSettings(url=running.elasticsearch)
    return settings.model_copy(
        update={
            "bus": settings.bus.model_copy(update={"kafka": kafka}),
            "store": settings.store.model_copy(update={"elasticsearch": elasticsearch}),
            "database": DatabaseSettings(url_file=url_file),
        }
    )
