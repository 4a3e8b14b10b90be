"""Fixtures of the contract suites."""

from tests.contract.bus_kit import bus, bus_adapter, topic
from tests.contract.store_kit import council, event_store, store_adapter

__all__ = ["bus", "bus_adapter", "council", "event_store", "store_adapter", "topic"]
