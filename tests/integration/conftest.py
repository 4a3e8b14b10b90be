"""Fixtures of the tests that run whole stages."""

from tests.databases import place
from tests.integration.api_kit import address, browsers, cheap_passwords, item, services
from tests.integration.correlation_kit import bus, clock
from tests.integration.door_kit import doors

__all__ = [
    "address",
    "browsers",
    "bus",
    "cheap_passwords",
    "clock",
    "doors",
    "item",
    "place",
    "services",
]
