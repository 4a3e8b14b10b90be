"""Slows down guessing: the more tries fail for a name or from an address, the longer the wait."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from tenants import schema
from tenants.clock import moment, stamp
from tenants.database import Database

FREE_TRIES: Mapping[str, int] = {"user": 5, "address": 30}
"""Failures that cost nothing; an address may be a whole office behind one router."""
LONGEST = timedelta(minutes=15)
FORGOTTEN = timedelta(hours=1)


class Throttle:
    """Counts failures in the database, so that it holds over restarts and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def wait(self, user: str, address: str, now: datetime) -> float:
        """Seconds until the next try is heard, 0 if it is heard now."""
        subjects = _subjects(user, address)
        columns = schema.signin_failures.c
        query = select(schema.signin_failures).where(columns.subject.in_(subjects))
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        waits = [_wait(subjects[row.subject], row.failures, moment(row.last), now) for row in rows]
        return max(waits, default=0.0)

    def failed(self, user: str, address: str, now: datetime) -> None:
        """Count one failure against both."""
        columns = schema.signin_failures.c
        with self._database.write() as connection:
            old = stamp(now - FORGOTTEN)
            connection.execute(delete(schema.signin_failures).where(columns.last < old))
            for subject in _subjects(user, address):
                _count(connection, subject, stamp(now))

    def succeeded(self, user: str) -> None:
        """Forget a name's failures; the address's stay, or one good account would free it."""
        columns = schema.signin_failures.c
        with self._database.write() as connection:
            subject = f"user:{user}"
            connection.execute(delete(schema.signin_failures).where(columns.subject == subject))


def _count(connection: Connection, subject: str, now: str) -> None:
    columns = schema.signin_failures.c
    again = (
        update(schema.signin_failures)
        .where(columns.subject == subject)
        .values(failures=columns.failures + 1, last=now)
    )
    if connection.execute(again).rowcount == 0:
        first = insert(schema.signin_failures).values(subject=subject, failures=1, last=now)
        connection.execute(first)


def _subjects(user: str, address: str) -> dict[str, int]:
    return {f"user:{user}": FREE_TRIES["user"], f"address:{address}": FREE_TRIES["address"]}


def _wait(free: int, failures: int, last: datetime, now: datetime) -> float:
    if failures < free:
        return 0.0
    penalty = min(timedelta(seconds=2 ** min(failures - free, 20)), LONGEST)
    return max(0.0, (last + penalty - now).total_seconds())
