"""The bus of a single host: a log in one SQLite file, opened by every stage at once."""

from collectors.bus.embedded.bus import EmbeddedBus

__all__ = ["EmbeddedBus"]
