"""One module a kind of context."""
