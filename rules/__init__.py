"""What is suspicious, as data: adding a rule touches no Python."""
