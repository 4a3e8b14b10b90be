"""Passwords: how they are checked, kept and replaced."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, delete, update

from tenants import schema
from tenants.access import Invalid

MIN_PASSWORD = 12
MAX_PASSWORD = 200
_hasher = PasswordHasher()


def hash_password(password: str) -> str:
    """Argon2id with the library's current parameters."""
    return _hasher.hash(password)


def verify_password(stored: str, password: str) -> bool:
    """Whether the password fits; a stored text that is no hash fits nothing."""
    try:
        return _hasher.verify(stored, password.encode("utf-8", "surrogatepass"))
    except (VerificationError, InvalidHashError):
        return False


def checked_password(password: str) -> str:
    """A password that is long enough. Raises Invalid, without repeating it."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise Invalid(
            f"a password of {len(password)} characters", f"{MIN_PASSWORD} to {MAX_PASSWORD}"
        )
    return password


def set_password(connection: Connection, user: str, hashed: str) -> None:
    """Store the hash of a new password and end every session that the old one opened."""
    columns = schema.users.c
    query = update(schema.users).where(columns.id == user)
    connection.execute(query.values(password_hash=hashed))
    end_sessions(connection, user)


def end_sessions(connection: Connection, user: str) -> None:
    """Sign a user out everywhere."""
    connection.execute(delete(schema.sessions).where(schema.sessions.c.user_id == user))
