"""Signing in: passwords, sessions and API tokens, each turned into a Principal."""

import hashlib
import hmac
import secrets
import threading
from collections.abc import Sequence
from datetime import timedelta

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from tenants import audit, schema
from tenants.access import EVERY_TENANT, Invalid, NotFound, Principal, Role
from tenants.checked import checked_text
from tenants.clock import Clock, moment, stamp, utc_now
from tenants.database import Database
from tenants.passwords import checked_password, hash_password, set_password, verify_password
from tenants.people import USER_ID
from tenants.throttle import Throttle

IDLE = timedelta(hours=12)
LONGEST = timedelta(days=7)
_SEEN_STEP = timedelta(minutes=5)
"""How stale `seen` may be: a page view is not worth a write."""
MAX_TOKENS = 20
PROVING = 2
"""Passwords that are checked at once."""
OWN_SESSION = "own session"
"""The address of tries that come from within."""


class SigninRefused(Exception):
    """Wrong name or password (which of them is not said), or too many tries: see `wait`."""

    def __init__(self, wait: float = 0.0) -> None:
        retry = f"; try again in {wait:.0f} s" if wait else ""
        super().__init__(f"this name and password don't fit{retry}")
        self.wait = wait


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A signed-in browser. `secret` goes into the cookie, `csrf` into every form."""

    secret: str
    csrf: str
    principal: Principal


class TokenCreated(msgspec.Struct, frozen=True, kw_only=True):
    """An API token: `token` is shown here and nowhere else."""

    id: str
    name: str
    token: str


class TokenInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An API token as its owner sees it later."""

    id: str
    name: str
    created: str


class Signin:
    """The door for people and for their programs."""

    def __init__(self, database: Database, *, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock
        self._throttle = Throttle(database)
        self._proving = threading.BoundedSemaphore(PROVING)
        self._nobody = hash_password(secrets.token_urlsafe(16))

    def sign_in(self, user: str, password: str, address: str) -> Session:
        """Open a session. Raises SigninRefused; takes as long for names that don't exist."""
        user = user.strip().lower()
        user = user if USER_ID.fullmatch(user) else ""
        self._prove(user, password, address)
        return self._open(user)

    def session(self, secret: str) -> Session | None:
        """The session of a cookie, None once it has ended; using it keeps it open."""
        now = self._clock()
        columns = schema.sessions.c
        with self._database.read(EVERY_TENANT) as connection:
            query = select(schema.sessions).where(columns.id_hash == _digest(secret))
            row = connection.execute(query).one_or_none()
            if row is None or not _alive(row.created, row.seen, self._clock):
                return None
            principal = load_principal(connection, row.user_id)
        if principal is None:
            return None
        if now - moment(row.seen) > _SEEN_STEP:
            with self._database.write() as connection:
                connection.execute(
                    update(schema.sessions)
                    .where(columns.id_hash == row.id_hash)
                    .values(seen=stamp(now))
                )
        return Session(secret=secret, csrf=csrf_token(secret), principal=principal)

    def sign_out(self, secret: str) -> None:
        """End a session; unknown ones are ignored."""
        with self._database.write() as connection:
            query = delete(schema.sessions).where(schema.sessions.c.id_hash == _digest(secret))
            connection.execute(query)

    def change_password(self, principal: Principal, old: str, new: str) -> None:
        """Replace one's own password; signs out everywhere. Raises SigninRefused, Invalid."""
        new = checked_password(new)
        self._prove(principal.user, old, OWN_SESSION)
        hashed = hash_password(new)
        with self._database.write() as connection:
            set_password(connection, principal.user, hashed)
            self._audit(connection, principal.user, "password changed")

    def token_principal(self, token: str) -> Principal | None:
        """Whom an API token speaks for."""
        query = select(schema.tokens.c.user_id).where(schema.tokens.c.token_hash == _digest(token))
        with self._database.read(EVERY_TENANT) as connection:
            user = connection.scalar(query)
            return None if user is None else load_principal(connection, user)

    def create_token(self, principal: Principal, name: str) -> TokenCreated:
        """Make an API token that may do what its owner may. Raises Invalid."""
        name = checked_text(name, "a name for the token", 60)
        token = f"cst_{secrets.token_urlsafe(32)}"
        created = TokenCreated(id=secrets.token_hex(8), name=name, token=token)
        with self._database.write() as connection:
            held = connection.scalars(
                select(schema.tokens.c.id).where(schema.tokens.c.user_id == principal.user)
            ).all()
            if len(held) >= MAX_TOKENS:
                raise Invalid(f"{len(held)} tokens already", "fewer: delete one first")
            connection.execute(
                insert(schema.tokens).values(
                    id=created.id,
                    user_id=principal.user,
                    name=name,
                    token_hash=_digest(token),
                    created=stamp(self._clock()),
                )
            )
            self._audit(connection, principal.user, "API token made", name)
        return created

    def tokens(self, principal: Principal) -> Sequence[TokenInfo]:
        """A person's own API tokens."""
        columns = schema.tokens.c
        query = select(schema.tokens).where(columns.user_id == principal.user).order_by("created")
        with self._database.read() as connection:
            return [
                TokenInfo(id=row.id, name=row.name, created=row.created)
                for row in connection.execute(query)
            ]

    def delete_token(self, principal: Principal, token_id: str) -> None:
        """Make an API token worthless. Raises NotFound for one that is not the person's own."""
        columns = schema.tokens.c
        with self._database.write() as connection:
            gone = connection.execute(
                delete(schema.tokens)
                .where(columns.id == token_id, columns.user_id == principal.user)
                .returning(columns.name)
            ).scalar_one_or_none()
            if gone is None:
                raise NotFound("no such token of yours")
            self._audit(connection, principal.user, "API token deleted", gone)

    def _prove(self, user: str, password: str, address: str) -> None:
        """Return if the password is the user's. Raises SigninRefused, and counts the failure.

        Few at a time: a hash takes 64 MiB, and the next try must see the last one's failure.
        """
        with self._proving:
            self._prove_alone(user, password, address)

    def _prove_alone(self, user: str, password: str, address: str) -> None:
        now = self._clock()
        wait = self._throttle.wait(user, address, now)
        if wait:
            raise SigninRefused(wait)
        columns = schema.users.c
        query = select(columns.password_hash).where(columns.id == user, columns.enabled)
        with self._database.read() as connection:
            stored = connection.scalar(query)
        if verify_password(stored or self._nobody, password) and stored is not None:
            self._throttle.succeeded(user)
            return
        self._throttle.failed(user, address, now)
        raise SigninRefused(self._throttle.wait(user, address, now))

    def _open(self, user: str) -> Session:
        secret = secrets.token_urlsafe(32)
        now = stamp(self._clock())
        with self._database.write(EVERY_TENANT) as connection:
            oldest = stamp(self._clock() - LONGEST)
            connection.execute(delete(schema.sessions).where(schema.sessions.c.created < oldest))
            connection.execute(
                insert(schema.sessions).values(
                    id_hash=_digest(secret), user_id=user, created=now, seen=now
                )
            )
            self._audit(connection, user, "signed in")
            principal = load_principal(connection, user)
        if principal is None:
            raise SigninRefused
        return Session(secret=secret, csrf=csrf_token(secret), principal=principal)

    def _audit(self, connection: Connection, user: str, what: str, detail: str = "") -> None:
        time = stamp(self._clock())
        audit.record(connection, time=time, who=user, what=what, tenant=None, detail=detail)


def csrf_token(secret: str) -> str:
    """Bound to the session: only who holds the cookie can know it, and a page can show it."""
    return hmac.new(secret.encode(), b"citysoc csrf", hashlib.sha256).hexdigest()


def csrf_fits(session: Session, given: str) -> bool:
    """Whether a form or header carries the session's own CSRF token."""
    return hmac.compare_digest(session.csrf.encode(), given.encode("utf-8", "surrogatepass"))


def load_principal(connection: Connection, user: str) -> Principal | None:
    """A person as they are now; None for one who is unknown or disabled."""
    row = connection.execute(select(schema.users).where(schema.users.c.id == user)).one_or_none()
    if row is None or not row.enabled:
        return None
    if row.role != Role.PARTNER:
        return Principal(user=row.id, name=row.name, role=Role(row.role), tenants=None)
    own = select(schema.user_tenants.c.tenant_id).where(schema.user_tenants.c.user_id == user)
    tenants = frozenset(connection.scalars(own))
    return Principal(user=row.id, name=row.name, role=Role.PARTNER, tenants=tenants)


def _alive(created: str, seen: str, clock: Clock) -> bool:
    now = clock()
    return now - moment(seen) <= IDLE and now - moment(created) <= LONGEST


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
