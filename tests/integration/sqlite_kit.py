"""Rules as SQL over what the embedded store gives back, in a table of pySigma's making."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import re2  # type: ignore[import-untyped]  # it has no stubs
from sigma.backends.sqlite import sqliteBackend
from sigma.conversion.state import ConversionState
from sigma.exceptions import SigmaPlaceholderError
from sigma.rule import SigmaRule
from sigma.types import SigmaString

from collectors.logsource import LogSource
from detection.sigma.ruleset import asked_by
from rules.catalog import Rule
from tenants.store.contract import TenantStore
from tenants.store.filter import Filter
from tenants.store.values import own, walk

BETWEEN = "\x1f"
"""Stands between the values of a list, and of an event for keywords."""
PAGE = 1_000


class StoredSQLite(sqliteBackend):
    """Columns by number, as names differ by case; keywords look into a column of all values."""

    collate_nocase = True

    def __init__(self, columns: Mapping[str, str]) -> None:
        super().__init__()
        self._columns = columns

    def resolve_table(self, state: Any = None) -> str:  # noqa: ARG002
        return "logs"

    def escape_and_quote_field(self, field: str) -> str:
        return self._columns[field]

    def convert_condition_val_str(self, cond: Any, state: ConversionState) -> Any:
        anywhere = SigmaString("*") + cond.value + SigmaString("*")
        text = self.convert_value_str(anywhere, state)
        return f"everything LIKE {text} ESCAPE '\\'"

    def convert_condition_val_num(self, cond: Any, state: Any) -> Any:  # noqa: ARG002
        return f"everything LIKE '%{cond.value}%'"


class Table:
    """One tenant's events in a table, with the log sources of each beside it."""

    def __init__(self, fields: Iterable[str]) -> None:
        self._columns = {name: f"f{at}" for at, name in enumerate(sorted(fields))}
        self._database = sqlite3.connect(":memory:")
        self._database.create_function("REGEXP", 2, _regexp, deterministic=True)
        self._database.execute("PRAGMA case_sensitive_like = OFF")
        each = "".join(f", {name} TEXT COLLATE NOCASE" for name in self._columns.values())
        self._database.execute(f"CREATE TABLE logs (id TEXT, everything TEXT{each})")
        self._database.execute("CREATE TABLE sources (source TEXT, event INTEGER)")
        self._of: dict[LogSource, str] = {}

    def fill(self, store: TenantStore) -> int:
        """Take every event of the store; returns how many there are."""
        number = 0
        for event in _all(store):
            number += 1
            sources = event["soc"]["logsources"]
            rows = [(each, number) for each in sources]
            self._database.executemany("INSERT INTO sources VALUES (?, ?)", rows)
            self._insert(number, event)
        self._database.execute("CREATE INDEX by_source ON sources (source, event)")
        return number

    def _insert(self, number: int, event: dict[str, Any]) -> None:
        values: dict[str, list[str]] = {}
        for path, text in walk({name: each for name, each in event.items() if name != "soc"}):
            if path in self._columns:
                values.setdefault(self._columns[path], []).append(text)
        names = ["rowid", "id", "everything", *values]
        row = [number, event["soc"]["id"], BETWEEN.join(own(event))]
        row += [BETWEEN.join(several) for several in values.values()]
        marks = ", ".join("?" * len(row))
        self._database.execute(f"INSERT INTO logs ({', '.join(names)}) VALUES ({marks})", row)

    def found(self, rule: SigmaRule, asked: LogSource) -> frozenset[str]:
        """Ids of the events that the rule's query finds among those of its log source.

        Raises what pySigma raises for a rule that the back end cannot express.
        """
        queries = StoredSQLite(self._columns).convert_rule(rule)
        ids: set[str] = set()
        for query in queries:
            head, _, condition = query.partition(" WHERE ")
            within = f"rowid IN ({self._events(asked)})"
            narrowed = f"{head.replace('*', 'id')} WHERE {within} AND ({condition})"
            ids.update(found for (found,) in self._database.execute(narrowed))
        return frozenset(ids)

    def _events(self, asked: LogSource) -> str:
        if asked not in self._of:
            name = f"of{len(self._of)}"
            pattern = "/".join(part or "*" for part in asked)
            self._database.execute(
                f"CREATE TEMP TABLE {name} AS"
                " SELECT DISTINCT event FROM sources WHERE source GLOB ?",
                [pattern],
            )
            self._of[asked] = f"SELECT event FROM {name}"
        return self._of[asked]


def found_by_sqlite(
    store: TenantStore, rules: Sequence[Rule]
) -> Mapping[str, frozenset[str] | None]:
    """Ids of the events that each rule's query finds; None where it can't be asked."""
    table = Table({name for rule in rules for name in sqliteBackend().required_fields(rule.sigma)})
    table.fill(store)
    return {rule.info.id: _found(table, rule) for rule in rules}


def _found(table: Table, rule: Rule) -> frozenset[str] | None:
    try:
        return table.found(rule.sigma, asked_by(rule))
    except SigmaPlaceholderError:
        return None


def _all(store: TenantStore) -> Iterator[dict[str, Any]]:
    after = None
    while True:
        page = store.search(
            Filter(expression=None, since=None, until=None), limit=PAGE, after=after
        )
        yield from page.events
        after = page.after
        if after is None:
            return


def _regexp(pattern: str, text: str | None) -> bool | None:
    return None if text is None else re2.search(pattern, text) is not None
