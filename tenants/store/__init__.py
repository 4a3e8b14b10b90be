"""Searchable events: one contract, an adapter a database."""
