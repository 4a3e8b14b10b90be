"""The doors that events come in by: HTTP, syslog, files."""
