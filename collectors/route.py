"""The slice of a tenant that a collector needs: which credential names which tenant and source."""

import hashlib
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Protocol

import msgspec

from collectors.logsource import LogSource


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One source of one tenant, and how its events come in."""

    tenant: str
    source: str
    """The source's name, unique within the tenant."""
    kind: str
    """What was asked for at onboarding: `windows`, `linux`, `web`, `firewall`, … ."""
    format: str = "auto"
    """A format of collectors.formats, or `auto` to recognise each line."""
    logsources: tuple[LogSource, ...] = ()
    """What the source declares; what an event's content shows is added."""
    schema: str = ""
    """Whose names the fields of its events have (rules/mappings); empty for Sigma's own."""
    token_hash: str = ""
    """SHA-256 of the bearer token, hex; empty for a source that has none."""
    syslog_slot: int | None = None
    """The source's syslog port, counted from the first syslog port (8610)."""
    senders: tuple[str, ...] = ()
    """Addresses or networks that may send to the syslog port."""

    def admits(self, address: str) -> bool:
        """Whether `address` stands in the list of senders."""
        sender = ip_address(address)
        return any(sender in ip_network(network) for network in self.senders)


class Routes(Protocol):
    """The routes in force; answers from memory and never blocks."""

    def by_token(self, token: str) -> Route | None:
        """The route of a bearer token, None if there is none."""

    def by_syslog_slot(self, slot: int) -> Route | None:
        """The route of a syslog port."""

    def all(self) -> Sequence[Route]:
        """Every route; doors compare it to open and close ports."""


def token_hash(token: str) -> str:
    """What is stored of a token (tokens are 256 random bits, so a plain hash is enough)."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class RouteTable:
    """Routes held in memory, replaced whole."""

    def __init__(self, routes: Sequence[Route] = ()) -> None:
        self.replace(routes)

    def replace(self, routes: Sequence[Route]) -> None:
        """Put these in force at once."""
        self._all = tuple(routes)
        self._tokens = {route.token_hash: route for route in routes if route.token_hash}
        self._slots = {
            route.syslog_slot: route for route in routes if route.syslog_slot is not None
        }

    def by_token(self, token: str) -> Route | None:
        """See Routes."""
        return self._tokens.get(token_hash(token))

    def by_syslog_slot(self, slot: int) -> Route | None:
        """See Routes."""
        return self._slots.get(slot)

    def all(self) -> Sequence[Route]:
        """See Routes."""
        return self._all
