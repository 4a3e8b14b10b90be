"""What an organisation adds to the rules: values for placeholders, and exceptions."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from detection.own_rules import check_exception, exception_of
from detection.policy import Policy
from rules.placeholders import expansions, placeholders
from tenants.access import Conflict, Invalid, Principal
from tenants.clock import Clock, stamp, utc_now
from tenants.database import Database
from tenants.onboarding import visible_tenant
from tenants.policies import write_policy
from tenants.pseudonyms import NO_PSEUDONYMS, Pseudonyms
from tenants.registry import policy

MAX_LISTS = 100
MAX_VALUES = 10_000
"""Of all lists of an organisation together."""
MAX_VALUE = 1_000
MAX_EXCEPTIONS = 100
MAX_TEXT = 20_000
MAX_EXPANSIONS = 50_000
"""Values that the placeholders of all exceptions become: a second's work for every worker."""
EXPANDED = "values that placeholders of exceptions become"
_NAME = re.compile(r"[\w.-]{1,64}")
_A_NAME = "up to 64 letters, digits, points, hyphens and underscores"


class OwnRules(msgspec.Struct, frozen=True, kw_only=True):
    """Lists and exceptions of one version of an organisation's policy."""

    tenant: str
    version: int
    lists: Mapping[str, Sequence[str]]
    """`%name%` in rules to its values, which may have wildcards."""
    exceptions: Mapping[str, str]
    """Name to a Sigma filter document."""


class OwnRulesBook:
    """Bound to one person: whoever sees the tenant may change them, and stands in its audit."""

    def __init__(
        self,
        database: Database,
        principal: Principal,
        *,
        pseudonyms: Pseudonyms = NO_PSEUDONYMS,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._principal = principal
        self._pseudonyms = pseudonyms
        self._clock = clock

    def own(self, tenant: str) -> OwnRules:
        """The latest version. Raises NotFound, and Denied where names are its own people's."""
        with self._database.read(self._principal.tenants) as connection:
            visible_tenant(connection, self._principal, tenant)
            self._pseudonyms.require_own(self._principal, tenant)
            return _view(policy(connection, tenant))

    def set_lists(self, tenant: str, lists: Mapping[str, Sequence[str] | None]) -> OwnRules:
        """Set some lists, None to remove one; they take effect at their record on the bus.

        Raises NotFound, Invalid, and Conflict for a list that an exception still asks for.
        """

        def change(before: Policy) -> Policy:
            values = {name: _list(name, found) for name, found in lists.items() if found}
            after = {**before.lists, **values}
            for name in lists.keys() - values.keys():
                after.pop(name, None)
            _bound(len(after), MAX_LISTS, "lists")
            _bound(sum(map(len, after.values())), MAX_VALUES, "values in lists")
            _still_there(before.filters, after)
            _bound(_expansions(before.filters, after), MAX_EXPANSIONS, EXPANDED)
            return msgspec.structs.replace(before, lists=after)

        return self._change(tenant, change, "lists set", lists)

    def set_exceptions(self, tenant: str, exceptions: Mapping[str, str | None]) -> OwnRules:
        """Set some exceptions, None to remove one; they take effect at their record on the bus.

        Raises NotFound, and Invalid, with the lines, for what is no Sigma filter or does not work.
        """

        def change(before: Policy) -> Policy:
            texts = {
                name: _short(name, text)
                for name, text in exceptions.items()
                if text and not text.isspace()
            }
            after = {**before.filters, **texts}
            for name in exceptions.keys() - texts.keys():
                after.pop(name, None)
            _bound(len(after), MAX_EXCEPTIONS, "exceptions")
            _bound(_expansions(after, before.lists), MAX_EXPANSIONS, EXPANDED)
            for name, text in texts.items():
                _check(name, text, before.lists)
            return msgspec.structs.replace(before, filters=after)

        return self._change(tenant, change, "exceptions set", exceptions)

    def _change(
        self,
        tenant: str,
        change: Callable[[Policy], Policy],
        what: str,
        names: Mapping[str, object],
    ) -> OwnRules:
        with self._database.write(self._principal.tenants) as connection:
            visible_tenant(connection, self._principal, tenant)
            self._pseudonyms.require_own(self._principal, tenant)
            before = policy(connection, tenant)
            after = change(before)
            if after == before:
                return _view(before)
            after = msgspec.structs.replace(after, version=before.version + 1)
            write_policy(
                connection,
                after,
                who=self._principal.user,
                time=stamp(self._clock()),
                what=what,
                detail=", ".join(
                    name if given else f"{name}: removed" for name, given in names.items()
                ),
            )
        return _view(after)


def _view(current: Policy) -> OwnRules:
    return OwnRules(
        tenant=current.tenant,
        version=current.version,
        lists=current.lists,
        exceptions=current.filters,
    )


def _list(name: str, values: Iterable[str]) -> tuple[str, ...]:
    _named(name)
    found = tuple(dict.fromkeys(value.strip() for value in values if value.strip()))
    for value in found:
        if len(value) > MAX_VALUE or not value.isprintable():
            expected = f"up to {MAX_VALUE:,} characters on one line"
            raise Invalid(f"the value {value[:40]!r} of the list {name!r}", expected)
    if not found:
        raise Invalid(f"no values in the list {name!r}", "one or more, or its removal")
    return found


def _short(name: str, text: str) -> str:
    _named(name)
    if len(text) > MAX_TEXT:
        raise Invalid(f"an exception of {len(text):,} characters", f"at most {MAX_TEXT:,}")
    return text


def _check(name: str, text: str, lists: Mapping[str, Sequence[str]]) -> None:
    faults = check_exception(name, text, lists)
    if faults:
        said = "; ".join(f"line {fault.line}: {fault.message}" for fault in faults)
        raise Invalid(f"the exception {name!r} can't be used: {said}", "a Sigma filter document")


def _expansions(exceptions: Mapping[str, str], lists: Mapping[str, Sequence[str]]) -> int:
    read = (exception_of(name, text, []) for name, text in exceptions.items())
    return sum(expansions(each.selections, lists) for each in read if each is not None)


def _still_there(filters: Mapping[str, str], lists: Mapping[str, object]) -> None:
    for name, text in filters.items():
        found = exception_of(name, text, [])
        missing = placeholders(found.selections) - lists.keys() if found else frozenset()
        if missing:
            raise Conflict(
                f"the exception {name!r} asks for the list {min(missing)!r}",
                "remove the exception first",
            )


def _named(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Invalid(f"the name {name[:80]!r}", _A_NAME)


def _bound(count: int, most: int, what: str) -> None:
    if count > most:
        raise Invalid(f"{count:,} {what}", f"at most {most:,}")
