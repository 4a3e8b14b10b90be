"""One module a log format; each turns bytes into the fields of an event."""
