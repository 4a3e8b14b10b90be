"""Rule sets that were imported, and which of them is in force: for the people who decide it."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, Row, func, insert, select

from detection.rule_sets import SETTINGS, Release
from rules.bundle import Bundle
from tenants import audit, schema
from tenants.access import EVERY_TENANT, Conflict, Invalid, NotFound, Principal, Role
from tenants.clock import Clock, stamp, utc_now
from tenants.database import Database
from tenants.registry import latest_release, touch

MAX_PACKED = 64 * 1024 * 1024
MAX_ORIGIN = 500
MAX_PAGE = 200
SHORTEST = 6
"""Digits of a version that are enough to name it, where no other begins so."""
SETTINGS_NAME = "settings"


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """How large a rule set is."""

    files: int
    rules: int
    correlations: int
    refused: int
    bytes: int


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """One release: what was put in force, by whom and when."""

    number: int
    version: str
    """`settings` where it is what the settings name."""
    restores: int | None
    """Of a roll-back, the release that it goes back to; 0 is before the first."""
    created: str
    author: str
    origin: str
    figures: Figures | None
    in_force: bool
    told: int
    """How many partitions of tenants' events have it, or a later one."""
    partitions: int


class RuleSetBook:
    """Bound to one person; only administrators change what all tenants are judged by."""

    def __init__(self, database: Database, principal: Principal, *, clock: Clock = utc_now) -> None:
        self._database = database
        self._principal = principal
        self._clock = clock

    def release(self, bundle: Bundle, origin: str, figures: Figures) -> Release:
        """Keep a rule set and put it in force from its record on the log on.

        Raises Denied, Conflict where it is in force already, Invalid where it is too large.
        """
        self._principal.require(Role.ADMIN)
        version, packed = bundle.version, bundle.pack()
        if len(packed) > MAX_PACKED:
            raise Invalid(f"a rule set of {len(packed):,} bytes", f"at most {MAX_PACKED:,}")
        with self._database.write(EVERY_TENANT) as connection:
            latest = latest_release(connection)
            if latest.version == version:
                raise Conflict(f"rule set {version} is in force already", "nothing was changed")
            columns = schema.rule_sets.c
            if connection.scalar(select(columns.version).where(columns.version == version)) is None:
                connection.execute(
                    insert(schema.rule_sets).values(
                        version=version,
                        origin=origin[:MAX_ORIGIN],
                        created=stamp(self._clock()),
                        author=self._principal.user,
                        figures=msgspec.json.encode(figures).decode(),
                        bundle=packed,
                    )
                )
            return self._put_in_force(connection, latest.number + 1, version, None, origin)

    def roll_back(self, version: str | None = None) -> Release:
        """Put in force again what was so before, or the version that begins so.

        Raises Denied, NotFound, and Conflict where there is nothing to go back to.
        """
        self._principal.require(Role.ADMIN)
        with self._database.write(EVERY_TENANT) as connection:
            latest = latest_release(connection)
            if version is None:
                restored = _before(connection, latest.number)
            else:
                restored = self._last_of(connection, version)
            if restored.version == latest.version:
                name = latest.version or f"of the {SETTINGS_NAME}"
                raise Conflict(f"rule set {name} is in force already", "nothing was changed")
            return self._put_in_force(
                connection, latest.number + 1, restored.version, restored.number, "rolled back"
            )

    def named(self, version: str) -> str:
        """The version that begins so, or `settings`. Raises Denied, NotFound."""
        self._principal.require(Role.ADMIN, Role.ANALYST)
        with self._database.read(EVERY_TENANT) as connection:
            return self._last_of(connection, version).version

    def releases(self, *, before: int | None = None, limit: int = 50) -> Sequence[Released]:
        """Newest first, those before a number. Raises Denied to partners."""
        self._principal.require(Role.ADMIN, Role.ANALYST)
        columns, sets = schema.releases.c, schema.rule_sets
        query = (
            select(schema.releases, sets.c.origin, sets.c.figures)
            .outerjoin(sets, sets.c.version == columns.version)
            .order_by(columns.number.desc())
            .limit(max(1, min(limit, MAX_PAGE)))
        )
        if before is not None:
            query = query.where(columns.number < before)
        with self._database.read(EVERY_TENANT) as connection:
            latest = latest_release(connection)
            told = list(connection.scalars(select(schema.announced.c.release)))
            return [_released(row, latest, told) for row in connection.execute(query)]

    def _put_in_force(
        self,
        connection: Connection,
        number: int,
        version: str,
        restores: int | None,
        why: str,
    ) -> Release:
        now = stamp(self._clock())
        connection.execute(
            insert(schema.releases).values(
                number=number,
                version=version or None,
                restores=restores,
                created=now,
                author=self._principal.user,
            )
        )
        touch(connection)
        audit.record(
            connection,
            time=now,
            who=self._principal.user,
            what="rules released",
            tenant=None,
            detail=f"{number}: {version or SETTINGS_NAME} ({why})",
        )
        return Release(number, version)

    def _last_of(self, connection: Connection, version: str) -> Release:
        if version == SETTINGS_NAME:
            return Release(0, SETTINGS)
        if len(version) < SHORTEST:
            raise NotFound(f"expected at least {SHORTEST} digits of a version, got {version!r}")
        columns = schema.releases.c
        query = (
            select(columns.version, func.max(columns.number))
            .where(columns.version.startswith(version, autoescape=True))
            .group_by(columns.version)
        )
        found = connection.execute(query).all()
        if len(found) != 1:
            known = "no rule set" if not found else f"{len(found)} rule sets"
            raise NotFound(f"{known} with a version that begins {version[:40]!r}")
        return Release(found[0][1], found[0][0])


def _before(connection: Connection, number: int) -> Release:
    """What stood before a release; of a roll-back, before the release that it restored."""
    restored = _restored(connection, number)
    if restored == 0:
        raise Conflict(
            "the rules in force are those that the settings name, as at the beginning",
            "name a version to go to; `citysoc rules versions` lists them",
        )
    earlier = _restored(connection, restored - 1)
    columns = schema.releases.c
    version = connection.scalar(select(columns.version).where(columns.number == earlier))
    return Release(earlier, version or SETTINGS)


def _restored(connection: Connection, number: int) -> int:
    columns = schema.releases.c
    restores = connection.scalar(select(columns.restores).where(columns.number == number))
    return number if restores is None else int(restores)


def _released(row: Row[tuple[object, ...]], latest: Release, told: Sequence[int]) -> Released:
    figures = None if row.figures is None else msgspec.json.decode(row.figures, type=Figures)
    return Released(
        number=row.number,
        version=row.version or SETTINGS_NAME,
        restores=row.restores,
        created=row.created,
        author=row.author,
        origin=row.origin or "",
        figures=figures,
        in_force=row.number == latest.number,
        told=sum(each >= row.number for each in told),
        partitions=len(told),
    )
