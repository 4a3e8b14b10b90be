"""What is worth knowing of a rule once it runs."""

from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

from sigma.rule import SigmaRuleBase

from collectors.logsource import LogSource
from rules.documents import Document

DEFAULT_LEVEL = "medium"
"""Of a rule that names none; `rules check` asks for one."""
HUNTING_TAG = "detection.threat-hunting"


@dataclass(frozen=True)
class RuleInfo:
    """What is worth knowing of a rule once it runs."""

    id: str
    title: str
    level: str
    ruleset: str
    """`hunting` for a rule tagged so, else nothing; with the level it gives the default state."""
    logsource: LogSource
    path: str
    line: int
    tags: tuple[str, ...] = ()
    advice: str = ""
    """One sentence for whoever gets the alert (the rule's own attribute `advice`)."""
    description: str = ""
    name: str = ""
    """What correlations and filters may call it, beside its id."""


def info_of(sigma: SigmaRuleBase, document: Document, asked: LogSource, kind: str) -> RuleInfo:
    """What pySigma read of a rule; one without an id gets one of its `kind` and title."""
    tags = tuple(str(tag) for tag in sigma.tags)
    return RuleInfo(
        id=str(sigma.id or uuid5(NAMESPACE_URL, f"{kind} {sigma.title}")),
        title=sigma.title,
        level=sigma.level.name.lower() if sigma.level else DEFAULT_LEVEL,
        ruleset="hunting" if HUNTING_TAG in tags else "",
        logsource=asked,
        path=document.path,
        line=document.line,
        tags=tags,
        advice=str(sigma.custom_attributes.get("advice", "")).strip(),
        description=(sigma.description or "").strip(),
        name=sigma.name or "",
    )
