"""How far the player has got, kept on disk: the first start, and the number of steps done."""

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    start: datetime
    done: int = 0


class Journal:
    """One small file, replaced whole, so that a crash leaves the old one or the new one."""

    def __init__(self, path: Path, *, now: datetime) -> None:
        """Read the file, or begin one whose first start is `now`.

        Raises ValueError when the file is not a journal.
        """
        self._path = path
        try:
            self._entry = msgspec.json.decode(path.read_bytes(), type=_Entry)
        except FileNotFoundError:
            self._write(_Entry(start=now.astimezone(UTC)))
        except msgspec.DecodeError as error:
            raise ValueError(
                f"{path} is not a journal of the demo ({error}); start with an empty data folder"
            ) from error

    @property
    def start(self) -> datetime:
        """The first start, to which all times are relative."""
        return self._entry.start

    @property
    def done(self) -> int:
        """Steps that the doors have taken."""
        return self._entry.done

    def advance(self, done: int) -> None:
        """Remember durably that this many steps are done."""
        self._write(_Entry(start=self.start, done=done))

    def _write(self, entry: _Entry) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(entry))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        self._entry = entry
