"""Adding context to what matched, never judging it."""
