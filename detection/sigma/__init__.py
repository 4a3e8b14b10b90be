"""The Sigma engine: rules compiled to predicates, matched at once."""
