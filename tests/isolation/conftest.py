"""The city of the isolation tests."""

from tests.isolation.city_fixtures import city, city_template

__all__ = ["city", "city_template"]
