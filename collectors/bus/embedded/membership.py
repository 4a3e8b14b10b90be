"""One member's place in its group: joining, beating, taking over and letting go."""

import sqlite3
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from collectors.bus.embedded.assignment import Share, share
from collectors.bus.embedded.file import BusFile
from collectors.bus.embedded.process import has_ended, this_process

BEATS_PER_LEASE = 4
MOVED = "UPDATE state SET members = members + 1"


class View(NamedTuple):
    """The group as the file shows it at one moment."""

    version: tuple[int, int]
    """Grows with every change of topics and of members."""
    members: Mapping[str, tuple[str, float]]
    """Process and last beat, by member."""
    logs: Sequence[int]
    owners: Mapping[int, str]

    def owned(self, member: str) -> set[int]:
        """The logs of one member."""
        return {log for log, owner in self.owners.items() if owner == member}


class Membership:
    """A member of a group among all readers of one prefix.

    The file says who owns a log; only its owner may commit there. A member is dropped by the
    others when its process has ended, or when it has not polled for a lease. Once dropped it owns
    nothing, whatever it believes, and joins again at its next poll.
    """

    def __init__(
        self,
        file: BusFile,
        group: str,
        prefix: str,
        clock: Callable[[], float],
        lease: float,
    ) -> None:
        self.id = uuid.uuid4().hex
        self._file = file
        self._group = group
        self._prefix = prefix
        self._clock = clock
        self._lease = lease
        self._beat_due = 0.0
        with file.writing() as connection:
            connection.execute("INSERT OR IGNORE INTO subscriptions VALUES (?, ?)", (group, prefix))

    def version(self) -> tuple[int, int]:
        """See View.version."""
        topics, members = self._file.query("SELECT topics, members FROM state")[0]
        return topics, members

    def view(self) -> View:
        """The group now."""
        with self._file.reading() as connection:
            return self._view(connection)

    def share(self, view: View) -> Share:
        """What to release and take, in a view of which this is a member."""
        live = view.members.keys() | {self.id}
        return share(self.id, live, view.logs, view.owners)

    def release(self, logs: Iterable[int]) -> None:
        """Let others have these."""
        with self._file.writing() as connection:
            connection.executemany(
                "DELETE FROM owners WHERE grp = ? AND log = ? AND member = ?",
                [(self._group, log, self.id) for log in logs],
            )
            connection.execute(MOVED)

    def settle(self, view: View) -> View:
        """Beat, drop the dead and take what is due, where there is something to do.

        Returns the group as it is then.
        """
        if not self._must_write(view):
            return view
        with self._file.writing() as connection:
            view = self._view(connection)
            moved = self._drop(connection, self._dead(view))
            moved |= self._beat(connection, view)
            if moved:
                view = self._view(connection)
            moved |= self._take(connection, self.share(view).take)
            if moved:
                connection.execute(MOVED)
                view = self._view(connection)
        self._beat_due = self._clock() + self._lease / BEATS_PER_LEASE
        return view

    def leave(self) -> None:
        """Be no member any more; the others take over at once."""
        with self._file.writing() as connection:
            self._drop(connection, [self.id])
            connection.execute(MOVED)

    def _must_write(self, view: View) -> bool:
        late = self._clock() >= self._beat_due or self.id not in view.members
        return late or bool(self._dead(view)) or bool(self.share(view).take)

    def _dead(self, view: View) -> list[str]:
        now = self._clock()
        return [
            member
            for member, (process, beat) in view.members.items()
            # a beat from the future is of a clock that was set back since
            if member != self.id and (abs(now - beat) > self._lease or has_ended(process))
        ]

    def _drop(self, connection: sqlite3.Connection, members: Sequence[str]) -> bool:
        for member in members:
            connection.execute("DELETE FROM owners WHERE member = ?", (member,))
            connection.execute("DELETE FROM members WHERE id = ?", (member,))
        return bool(members)

    def _beat(self, connection: sqlite3.Connection, view: View) -> bool:
        connection.execute(
            "INSERT INTO members VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT(id) DO UPDATE SET beat = excluded.beat",
            (self.id, self._group, self._prefix, this_process(), self._clock()),
        )
        return self.id not in view.members

    def _take(self, connection: sqlite3.Connection, logs: Sequence[int]) -> bool:
        connection.executemany(
            "INSERT INTO owners VALUES (?, ?, ?)", [(self._group, log, self.id) for log in logs]
        )
        return bool(logs)

    def _view(self, connection: sqlite3.Connection) -> View:
        version = connection.execute("SELECT topics, members FROM state").fetchone()
        members = connection.execute(
            "SELECT id, process, beat FROM members WHERE grp = ? AND prefix = ?",
            (self._group, self._prefix),
        )
        logs = connection.execute(
            "SELECT id FROM logs WHERE substr(topic, 1, length(?)) = ? ORDER BY topic, number",
            (self._prefix, self._prefix),
        )
        owners = connection.execute("SELECT log, member FROM owners WHERE grp = ?", (self._group,))
        return View(
            version=version,
            members={id_: (process, beat) for id_, process, beat in members},
            logs=[log for (log,) in logs],
            owners=dict(owners.fetchall()),
        )
