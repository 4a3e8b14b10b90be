"""Fixtures of the tests that run whole stages."""

from tests.databases import place
from tests.integration.door_kit import doors

__all__ = ["doors", "place"]
