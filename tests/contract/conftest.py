"""Fixtures of the contract suites."""

from tests.contract.bus_kit import bus, bus_adapter, topic

__all__ = ["bus", "bus_adapter", "topic"]
