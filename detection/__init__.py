"""Deciding: events and rules become signals and alerts."""
