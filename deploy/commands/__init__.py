"""The commands, one module a group, found by folder."""
