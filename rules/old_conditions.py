"""Old Sigma conditions with a pipe, `selection | count(user) by host > 5`, as correlations."""

import re
from dataclasses import replace
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sigma.correlations import SigmaCorrelationTimespan
from sigma.exceptions import SigmaError

from rules.correlations import ANY_SOURCE, Correlation
from rules.documents import Document
from rules.info import RuleInfo

DEFAULT_TIMEFRAME = "24h"
"""Of an old condition that names none; what searched then was given a day."""

_AGGREGATION = re.compile(
    r"\s*(?P<what>count|sum|avg|min|max)\s*\((?P<field>[^()]*)\)"
    r"(?:\s+by\s+(?P<by>[^\s,<>=]+(?:\s*,\s*[^\s,<>=]+)*))?\s*(?P<op><=|>=|==|=|<|>)\s*(?P<count>\d+(?:\.\d+)?)\s*",
    re.IGNORECASE,
)
_OPERATORS = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte", "=": "eq", "==": "eq"}
_KINDS = {"sum": "value_sum", "avg": "value_avg"}


def piped(content: dict[str, Any]) -> bool:
    """Whether a rule's condition has a pipe."""
    return "|" in str(_condition(content))


def without_pipe(document: Document) -> Document:
    """The rule that says which events are counted: a copy, with an id of its own."""
    content = document.content
    detection = {name: part for name, part in content["detection"].items() if name != "timeframe"}
    detection["condition"] = str(_condition(content)).split("|", 1)[0].strip()
    identity = str(uuid5(NAMESPACE_URL, f"counted by {content.get('id') or content.get('title')}"))
    return replace(document, content={**content, "id": identity, "detection": detection})


def correlation_of(document: Document, counted: RuleInfo) -> Correlation:
    """What the part after the pipe says. Raises ValueError, with why, for what can't be said so.

    `counted` is the rule in front of the pipe.
    """
    condition = _condition(document.content)
    if not isinstance(condition, str):
        raise ValueError("a condition with a pipe must stand alone, not in a list")  # noqa: TRY004
    after = condition.split("|", 1)[1].strip()
    if after.lower().startswith("near"):
        raise ValueError(
            "`| near` never said how near or in which order; write a `temporal` correlation"
        )
    found = _AGGREGATION.fullmatch(after)
    if found is None:
        raise ValueError(
            f"expected `count() by FIELD > N` (or sum, avg) after the pipe, got '{after}'"
        )
    what, field = found["what"].lower(), found["field"].strip()
    if what in {"min", "max"}:
        raise ValueError(f"`{what}()` of old conditions has no correlation of its kind")
    if what in _KINDS and not field:
        raise ValueError(f"`{what}()` needs a field")
    timeframe = str(document.content["detection"].get("timeframe", DEFAULT_TIMEFRAME))
    try:
        timespan = SigmaCorrelationTimespan(timeframe).seconds
    except SigmaError as error:
        raise ValueError(str(error)) from error
    number = float(found["count"])
    identity = document.content.get("id")
    own = uuid5(NAMESPACE_URL, f"correlation {counted.title}")
    return Correlation(
        info=replace(counted, id=str(identity or own).lower(), logsource=ANY_SOURCE),
        document=document,
        kind=_KINDS.get(what, "value_count" if field else "event_count"),
        rules=(counted.id,),
        timespan=timespan,
        group_by=tuple(re.split(r"\s*,\s*", found["by"])) if found["by"] else (),
        op=_OPERATORS[found["op"]],
        threshold=int(number) if number.is_integer() else number,
        fields=(field,) if field else (),
    )


def _condition(content: dict[str, Any]) -> Any:
    detection = content.get("detection")
    return detection.get("condition") if isinstance(detection, dict) else None
