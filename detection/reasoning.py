"""Explains the events of alerts by the rules that matched them, each read when first asked for."""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from sigma.exceptions import SigmaError

from collectors.bus.contract import Overloaded
from collectors.logsource import LogSource
from detection.reason import Known, Reasons
from detection.rule_sets import SETTINGS, Files
from detection.schema_view import View, view
from detection.sigma.explain import Explainer, Reason
from detection.sigma.ruleset import read_pipelines
from detection.sigma.values import texts
from rules import catalog
from rules.documents import Fault, read_file, rule_files
from rules.schemas import NATIVE

MAX_WORK = 50_000_000
"""Characters looked through for one alert: those of an event times the questions of the rule."""
MAX_RULES = 256
"""Rules kept taken apart."""


class Reasoner:
    """Rules by rule set and id, as files have them. Shared by threads."""

    def __init__(self, files: Callable[[str], Files]) -> None:
        """`files` says where the rule set is that an alert names; may raise Overloaded."""
        self._files = files
        self._version = SETTINGS
        self._paths: Mapping[str, str] | None = None
        self._correlations: Collection[str] = ()
        self._explainers: OrderedDict[tuple[str, str], Explainer | None] = OrderedDict()
        self._lock = threading.Lock()

    def learn(
        self, paths: Mapping[str, str], correlations: Collection[str] = (), version: str = SETTINGS
    ) -> None:
        """Say of the set in force in which file each rule is, and which ids are correlations."""
        with self._lock:
            self._version, self._paths, self._correlations = version, paths, correlations
            self._explainers.clear()

    def __call__(self, rule: str, version: str, events: Sequence[Mapping[str, Any]]) -> Reasons:
        """See Explain. The same work for the same rule and events, so a page is never kept long."""
        nothing = [frozenset[str]()] * len(events)
        if self._paths is None:
            return Reasons(Known.STARTING, nothing)
        if rule in self._correlations and rule not in self._paths:
            return Reasons(Known.COUNTED, nothing)
        explainer = self._explainer(rule, version)
        if explainer is None:
            return Reasons(Known.GONE, nothing)
        known, fields, work = Known.ALL, list(nothing), 0
        for at, event in enumerate(events):
            own = {name: value for name, value in event.items() if name != "soc"}
            cost = explainer.size * (sum(map(len, texts(own))) + len(own))
            if work + cost > MAX_WORK:
                known = known if known is Known.CHANGED else Known.LARGE
                continue
            work += cost
            sources = tuple(_logsources(event))
            shown = view(_schema(event))
            seen = own if shown is None else shown(own, sources)
            explanation = explainer.explain(seen, sources)
            if explanation.matches:
                reasons = explanation.reasons
                if shown is not None:
                    reasons = list(_in_own_names(reasons, shown, sources))
                fields[at] = frozenset(_named(own, reasons))
            else:
                known = Known.CHANGED
        return Reasons(known, fields)

    def _explainer(self, rule: str, version: str) -> Explainer | None:
        try:
            files = self._files(version)
        except Overloaded:
            return None
        key = (files.version, rule)
        with self._lock:
            if key not in self._explainers:
                self._explainers[key] = self._read(rule, files)
                if len(self._explainers) > MAX_RULES:
                    self._explainers.popitem(last=False)
            self._explainers.move_to_end(key)
            return self._explainers[key]

    def _read(self, rule: str, files: Files) -> Explainer | None:
        try:
            if files.version == self._version:
                path = (self._paths or {}).get(rule)
            else:
                path = _holding(rule, files)
            if path is None:
                return None
            found = [each for each in catalog.read([path]).rules if each.info.id == rule]
            pipeline = read_pipelines(files.pipelines)[0]
            return Explainer(found[0], pipeline=pipeline) if found else None
        except (OSError, ValueError, SigmaError):
            return None


def _holding(rule: str, files: Files) -> str | None:
    """The first file of a set in which a rule's id stands; quicker than to read them all."""
    wanted = re.compile(
        rb"^\s*id\s*:\s*['\"]?" + re.escape(rule.encode()), re.IGNORECASE | re.MULTILINE
    )
    unread: list[Fault] = []
    found = (file for file in rule_files(files.rules) if wanted.search(read_file(file, unread)))
    return next(map(str, found), None)


def _schema(event: Mapping[str, Any]) -> str:
    soc = event.get("soc")
    named = soc.get("schema") if isinstance(soc, dict) else None
    return named if isinstance(named, str) else NATIVE


def _in_own_names(
    reasons: Sequence[Reason], shown: View, sources: Sequence[LogSource]
) -> Iterator[Reason]:
    """The reasons under every name that the event's schema has for a field."""
    for reason in reasons:
        names = [None] if reason.field is None else sorted(shown.paths(reason.field, sources))
        yield from (Reason(name, reason.values) for name in names)


def _logsources(event: Mapping[str, Any]) -> Iterator[LogSource]:
    soc = event.get("soc")
    listed = soc.get("logsources") if isinstance(soc, dict) else None
    for text in listed if isinstance(listed, list) else ():
        if isinstance(text, str) and text.count("/") == 2:
            yield LogSource.parse(text)


def _named(event: Mapping[str, Any], reasons: Sequence[Reason]) -> Iterator[str]:
    """The names of the values that the reasons speak of."""
    for path, value in _leaves(event, ""):
        here = set(texts({path: value}))
        for reason in reasons:
            if _speaks_of(reason, path) and not here.isdisjoint(reason.values):
                yield path
                break


def _speaks_of(reason: Reason, path: str) -> bool:
    """A list stands under the name of its field, whatever objects are in it."""
    field = reason.field
    return field is None or field == path or field.startswith(f"{path}.")


def _leaves(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _leaves(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inner
