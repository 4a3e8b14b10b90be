"""Fixtures of the tests that run whole stages."""

from tests.databases import place
from tests.integration.api_kit import address, browsers, cheap_passwords, item, services
from tests.integration.door_kit import doors

__all__ = ["address", "browsers", "cheap_passwords", "doors", "item", "place", "services"]
