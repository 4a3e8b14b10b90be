"""The formats of a log line, one module each, and how a line finds its own."""

from collectors.formats.parsed import MAX_LINE, Parsed
from collectors.formats.parsing import formats, parse

__all__ = ["MAX_LINE", "Parsed", "formats", "parse"]
