"""One line in, its fields out: by the format that its source names, or by the first that fits."""

from datetime import datetime
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from collectors.formats.parsed import (
    FORMATS,
    MAX_LINE,
    PARSE_FAILED,
    Format,
    Parsed,
    ranked,
)

TEXT = "text"
"""A line that is its own message, by declaration; `auto` never settles for it unmarked."""

for _module in iter_modules([str(Path(__file__).parent)]):
    import_module(f"collectors.formats.{_module.name}")  # where each format signs itself in


def formats() -> tuple[str, ...]:
    """Every name that a source may declare."""
    return ("auto", *sorted(FORMATS), TEXT)


def parse(line: bytes, format: str = "auto", *, received: datetime) -> Parsed:  # noqa: A002
    """Read one line; never raises for any bytes.

    What does not parse comes back as `{"message": text}` marked `parse_failed`. `received` (UTC)
    gives the year to times that lack one. Raises ValueError for a format that there is not.
    """
    if len(line) > MAX_LINE:
        return _unparsed(line[:MAX_LINE], (PARSE_FAILED, "truncated"))
    line = line.strip()
    if format == TEXT:
        return _unparsed(line, ())
    for each in ranked() if format == "auto" else _declared(format):
        if line.startswith(each.starts) or not each.starts:
            parsed = each.read(line, received)
            if parsed is not None:
                return parsed
    return _unparsed(line, (PARSE_FAILED,))


@cache
def _declared(name: str) -> tuple[Format, ...]:
    """The format of that name, plain or in the syslog lines that a relay wraps it in."""
    try:
        declared = FORMATS[name]
    except KeyError:
        raise ValueError(f"no format called {name!r}; known: {', '.join(formats())}") from None
    if not declared.inside:
        return (declared,)
    return (declared, FORMATS["syslog"]._replace(read=partial(_wrapped, name)))


def _wrapped(name: str, line: bytes, received: datetime) -> Parsed | None:
    parsed = FORMATS["syslog"].read(line, received)
    return parsed if parsed is not None and parsed.format == name else None


def _unparsed(line: bytes, marks: tuple[str, ...]) -> Parsed:
    text = line.decode("utf-8", "replace")
    return Parsed(fields={"message": text}, format=TEXT, marks=marks)
