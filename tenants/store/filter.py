"""The one filter language of search: fields, values, numbers, times and free words.

What a filter means is written down in filter_help.md, for people, and in matching.py, as code.
"""

from datetime import datetime

import msgspec

from tenants.store.syntax import FilterError, parse_text, parse_time
from tenants.store.terms import And, Node, Or

__all__ = ["Filter", "FilterError"]


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events a search is about; without anything, all of them."""

    expression: Node | None = None
    since: str | None = None
    """Event time from which on, and before which; UTC, `2026-11-24T13:47:03.123456Z`."""
    until: str | None = None

    def __str__(self) -> str:
        """The filter in its canonical form, which parses to an equal filter."""
        parts = [] if self.expression is None else [self._expression_text()]
        parts += [f"since:{self.since}"] if self.since else []
        parts += [f"until:{self.until}"] if self.until else []
        return " ".join(parts)

    def _expression_text(self) -> str:
        narrowed = self.since or self.until
        inner = isinstance(self.expression, Or) and narrowed
        return f"({self.expression})" if inner else str(self.expression)

    @classmethod
    def parse(
        cls, text: str, *, since: str = "", until: str = "", now: datetime | None = None
    ) -> "Filter":
        """Read what a person typed; blank text lets everything through.

        `since` and `until` are times as in the text, and narrow what the text says further. `now`
        is what relative times (`24h`) count from. Raises FilterError.
        """
        parsed = parse_text(text, now)
        starts = [parsed.since, parse_time(since, now) if since else None]
        ends = [parsed.until, parse_time(until, now) if until else None]
        return cls(
            expression=parsed.expression,
            since=max((start for start in starts if start), default=None),
            until=min((end for end in ends if end), default=None),
        )

    @classmethod
    def of(cls, *parts: Node, since: str | None = None, until: str | None = None) -> "Filter":
        """A filter that lets through what all of the parts do."""
        expression = None if not parts else parts[0] if len(parts) == 1 else And(parts)
        return cls(expression=expression, since=since, until=until)
