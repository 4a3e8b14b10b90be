"""Users: who may sign in, as what, and for which tenants."""

import re
import secrets
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, insert, select, update

from tenants import audit, schema
from tenants.access import OPERATOR, Conflict, Invalid, NotFound, Principal, Role
from tenants.checked import checked_text
from tenants.clock import Clock, stamp, utc_now
from tenants.database import Database
from tenants.onboarding import visible_tenant
from tenants.passwords import (
    checked_password,
    end_sessions,
    hash_password,
    set_password,
)

USER_ID = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,98}")


class User(msgspec.Struct, frozen=True, kw_only=True):
    """One person. `tenants` is empty for SOC staff, who serve all."""

    id: str
    name: str
    role: Role
    tenants: tuple[str, ...]
    enabled: bool
    created: str


class UserCreated(msgspec.Struct, frozen=True, kw_only=True):
    """A new user; `password` is shown here and nowhere else."""

    user: User
    password: str


class People:
    """Bound to one person: administrators see all users, others those of their own tenants."""

    def __init__(self, database: Database, principal: Principal, *, clock: Clock = utc_now) -> None:
        self._database = database
        self._principal = principal
        self._clock = clock

    def users(self) -> Sequence[User]:
        """By id. Analysts see all, partners only partners who share a tenant with them."""
        with self._database.read(self._principal.tenants) as connection:
            rows = connection.execute(select(schema.users).order_by(schema.users.c.id)).all()
            everyone = [_user(connection, row.id) for row in rows]
        return [self._as_seen(user) for user in everyone if self._sees(user)]

    def add_user(
        self,
        user: str,
        name: str,
        role: Role,
        tenants: Sequence[str] = (),
        *,
        password: str | None = None,
    ) -> UserCreated:
        """Let somebody in, with a random password unless one is given.

        Raises Denied, Invalid, Conflict, and NotFound for a tenant that does not exist.
        """
        self._principal.require(Role.ADMIN)
        user = user.strip().lower()
        if not USER_ID.fullmatch(user):
            raise Invalid(f"{user[:80]!r} is no user id", "letters, digits and . _ @ + -, up to 99")
        name = checked_text(name, "a name", 100)
        if (role is Role.PARTNER) != bool(tenants):
            raise Invalid(f"role {role} and {len(tenants)} tenants", "tenants for partners only")
        password = secrets.token_urlsafe(15) if password is None else checked_password(password)
        hashed = hash_password(password)
        with self._database.write(self._principal.tenants) as connection:
            if _exists(connection, user):
                raise Conflict(f"there is a user {user!r} already", "choose another id")
            connection.execute(
                insert(schema.users).values(
                    id=user,
                    name=name,
                    role=role,
                    password_hash=hashed,
                    enabled=True,
                    created=stamp(self._clock()),
                )
            )
            for tenant in sorted(set(tenants)):
                visible_tenant(connection, self._principal, tenant)
                connection.execute(
                    insert(schema.user_tenants).values(user_id=user, tenant_id=tenant)
                )
            self._audit(connection, "user added", f"{user} ({role})", tenants)
            return UserCreated(user=_user(connection, user), password=password)

    def enable_user(self, user: str, *, enabled: bool) -> User:
        """Let a user in or shut them out at once, sessions and all. Raises Denied, NotFound."""
        self._principal.require(Role.ADMIN)
        if user == self._principal.user and not enabled:
            raise Invalid("this is your own user", "another administrator to disable it")
        with self._database.write(self._principal.tenants) as connection:
            found = _user(connection, user)
            columns = schema.users.c
            connection.execute(
                update(schema.users).where(columns.id == user).values(enabled=enabled)
            )
            if not enabled:
                end_sessions(connection, user)
            what = "user enabled" if enabled else "user disabled"
            self._audit(connection, what, user, found.tenants)
            return _user(connection, user)

    def reset_password(self, user: str) -> UserCreated:
        """Give a user a new random password and end their sessions. Raises Denied, NotFound."""
        self._principal.require(Role.ADMIN)
        password = secrets.token_urlsafe(15)
        hashed = hash_password(password)
        with self._database.write(self._principal.tenants) as connection:
            found = _user(connection, user)
            set_password(connection, user, hashed)
            self._audit(connection, "password reset", user, found.tenants)
        return UserCreated(user=found, password=password)

    def _sees(self, user: User) -> bool:
        own = self._principal.tenants
        return own is None or not own.isdisjoint(user.tenants)

    def _as_seen(self, user: User) -> User:
        """Without the tenants that are none of the person's business."""
        own = self._principal.tenants
        if own is None:
            return user
        return msgspec.structs.replace(user, tenants=tuple(t for t in user.tenants if t in own))

    def _audit(
        self, connection: Connection, what: str, detail: str, tenants: Sequence[str]
    ) -> None:
        time = stamp(self._clock())
        for tenant in tenants or (None,):
            audit.record(
                connection,
                time=time,
                who=self._principal.user,
                what=what,
                tenant=tenant,
                detail=detail,
            )


def first_administrator(database: Database, *, clock: Clock = utc_now) -> UserCreated | None:
    """Make `admin` with a random password where nobody can sign in yet, else None."""
    with database.read() as connection:
        if connection.scalar(select(schema.users.c.id).limit(1)) is not None:
            return None
    try:
        return People(database, OPERATOR, clock=clock).add_user(
            "admin", "Administrator", Role.ADMIN
        )
    except Conflict:  # another process was faster
        return None


def _exists(connection: Connection, user: str) -> bool:
    query = select(schema.users.c.id).where(schema.users.c.id == user)
    return connection.scalar(query) is not None


def _user(connection: Connection, user: str) -> User:
    row = connection.execute(select(schema.users).where(schema.users.c.id == user)).one_or_none()
    if row is None:
        raise NotFound(f"no user called {user!r}")
    own = select(schema.user_tenants.c.tenant_id).where(schema.user_tenants.c.user_id == user)
    return User(
        id=row.id,
        name=row.name,
        role=Role(row.role),
        tenants=tuple(sorted(connection.scalars(own))),
        enabled=row.enabled,
        created=row.created,
    )
