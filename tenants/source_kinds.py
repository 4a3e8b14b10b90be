"""What a partner may onboard: the kinds of source, as data in source_kinds.yml beside this file."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from string import Template
from typing import Literal

import msgspec
import yaml

from collectors.logsource import LogSource


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where partners and people reach this SOC, as they have to write it."""

    console: str = "http://127.0.0.1:8600"
    ingest: str = "http://127.0.0.1:8601"
    syslog_host: str = "127.0.0.1"
    syslog_port: int = 8610
    """The first syslog port; a source's own is this plus its slot."""

    @property
    def ingest_url(self) -> str:
        """Where events are posted."""
        return f"{self.ingest}/ingest/events"


class SourceKind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of source; the fields are described in source_kinds.yml."""

    title: str
    transport: Literal["http", "syslog"]
    format: str
    logsources: tuple[str, ...]
    schema: str = ""
    configuration: str

    def declares(self) -> tuple[LogSource, ...]:
        """The log sources that every event of such a source is of."""
        return tuple(map(LogSource.parse, self.logsources))

    def fill(self, endpoints: Endpoints, source: str, token: str, slot: int | None) -> str:
        """The configuration to paste."""
        port = "" if slot is None else str(endpoints.syslog_port + slot)
        return Template(self.configuration).substitute(
            url=endpoints.ingest_url,
            token=token,
            host=endpoints.syslog_host,
            port=port,
            source=source,
        )


@cache
def source_kinds() -> Mapping[str, SourceKind]:
    """Every kind by name, in the order of the file."""
    text = files("tenants").joinpath("source_kinds.yml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), dict[str, SourceKind])
