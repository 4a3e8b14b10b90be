"""Gathers the rule files of a folder, a ZIP archive or a Git repository, trusting none of them."""

import os
import re
import signal
import stat
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from rules.bundle import MAX_BYTES, MAX_FILES, is_inside
from rules.documents import CASES_ENDING, MAX_FILE_BYTES, RULE_ENDINGS, Fault

GIT_SECONDS = 600
MAX_ENTRIES = 200_000
"""Files and folders looked at, rules or not."""
LINK = "a symbolic link; put the file itself there"
LARGE = f"larger than {MAX_FILE_BYTES:,} bytes; split it"
STRANGE = "a path that leads elsewhere or can't be written everywhere"
_GIT = (
    "git",
    *("-c", "protocol.allow=never"),
    *(
        part
        for name in ("file", "https", "ssh")
        for part in ("-c", f"protocol.{name}.allow=always")
    ),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.symlinks=false"),
    *("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=30"),
)
_SILENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
}
_ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
"""Set where git itself runs us; they name another repository."""
_URL = re.compile(r"(?:https|ssh|file)://\S+|[\w.-]+@[\w.-]+:\S+")
_SECRET = re.compile(r"(?<=://)[^/@]*@")


class Gathered(NamedTuple):
    """The rule files of one source."""

    origin: str
    """Where they come from, without any password."""
    files: dict[str, bytes]
    faults: list[Fault]
    """Files that were left out."""


Seen = Callable[[int], None]
"""Told now and then how many files have been gathered."""


def gather(
    source: str, *, only: Sequence[str] = (), ref: str = "", seen: Seen = lambda _: None
) -> Gathered:
    """The rule files of a ZIP archive, a folder or a Git repository (path or URL).

    A folder that is a repository gives what is committed there. `only` names folders within the
    source; `ref` a branch or tag. Raises ValueError, with what to do, for what can't be used.
    """
    path = Path(source)
    if path.is_dir() and _is_repository(path):
        return _of_git(path.resolve().as_uri(), str(path), only, ref, seen)
    if _URL.fullmatch(source):
        return _of_git(source, source, only, ref, seen)
    if ref:
        raise ValueError(f"'{source}' is no Git repository, so there is no '{ref}' in it")
    if path.is_dir():
        return _whole(_Net(str(path), only, seen).folder(path), only)
    if path.is_file():
        return _whole(_Net(str(path), only, seen).archive(path), only)
    raise ValueError(
        f"nothing at '{source}': expected a ZIP archive, a folder, or a Git repository by path or "
        "by an https://, ssh:// or file:// URL"
    )


class _Net:
    """Catches the rule files of one source, within the bounds of a bundle."""

    def __init__(self, origin: str, only: Sequence[str], seen: Seen) -> None:
        self._only = [PurePosixPath(each.strip("/")) for each in only]
        self._seen = seen
        self._bytes = 0
        self.caught = Gathered(origin, {}, [])

    def folder(self, folder: Path) -> Gathered:
        """Every rule file below it; hidden folders are nobody's rules."""
        for count, file in enumerate(_walk(folder)):
            _bound(count, MAX_ENTRIES, "files and folders")
            name = file.relative_to(folder).as_posix()
            if self._wants(name) and file.is_symlink():
                self._leave(name, LINK)
            elif self._wants(name) and not is_inside(name):
                self._leave(name, STRANGE)
            elif self._wants(name):
                try:
                    with file.open("rb") as stream:
                        self._take(name, stream)
                except OSError as error:
                    self._leave(name, f"cannot be read: {error.strerror}")
        return self.caught

    def archive(self, path: Path) -> Gathered:
        """Every rule file in it. A path that leads out of it spoils the whole archive."""
        try:
            with zipfile.ZipFile(path) as archive:
                _bound(len(archive.infolist()), MAX_ENTRIES, "files and folders")
                for entry in archive.infolist():
                    self._entry(archive, entry)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise ValueError(f"'{path}' can't be read as a ZIP archive: {error}") from error
        return self.caught

    def _entry(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
        name = entry.filename
        if entry.is_dir() or not self._wants(name):
            return
        if not is_inside(name):
            raise ValueError(f"the archive has {name[:200]!r}: {STRANGE}")
        if stat.S_ISLNK(entry.external_attr >> 16):
            self._leave(name, LINK)
        elif entry.flag_bits & 1:
            self._leave(name, "encrypted; unpack the archive and import the folder")
        else:
            with archive.open(entry) as stream:
                self._take(name, stream)

    def _wants(self, name: str) -> bool:
        path = PurePosixPath(name)
        return (
            path.suffix in RULE_ENDINGS
            and not name.endswith(CASES_ENDING)
            and not any(part.startswith(".") and part != ".." for part in path.parts)
            and (not self._only or any(path.is_relative_to(each) for each in self._only))
        )

    def _take(self, name: str, stream: IO[bytes]) -> None:
        data = stream.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            self._leave(name, LARGE)
            return
        self._bytes += len(data)
        self.caught.files[name] = data
        _bound(len(self.caught.files), MAX_FILES, "rule files")
        _bound(self._bytes, MAX_BYTES, "bytes of rules")
        self._seen(len(self.caught.files))

    def _leave(self, name: str, why: str) -> None:
        self.caught.faults.append(Fault(name, 1, why))


def _whole(gathered: Gathered, only: Sequence[str]) -> Gathered:
    if not gathered.files:
        below = f" below {' or '.join(only)}" if only else ""
        raise ValueError(f"no rule files (.yml) in '{gathered.origin}'{below}")
    return gathered


def _of_git(url: str, shown: str, only: Sequence[str], ref: str, seen: Seen) -> Gathered:
    if ref.startswith("-"):
        raise ValueError(f"expected a branch or tag, got {ref!r}")
    with tempfile.TemporaryDirectory(prefix="citysoc-rules-") as place:
        clone = ["clone", "--quiet", "--depth", "1", "--single-branch", "--no-tags"]
        _git([*clone, *(["--branch", ref] if ref else []), "--", url, place])
        commit = _git(["-C", place, "rev-parse", "HEAD"]).strip()
        origin = f"{_SECRET.sub('', shown)} at {commit[:12]}"
        return _whole(_Net(origin, only, seen).folder(Path(place)), only)


def _git(arguments: Sequence[str]) -> str:
    """What git answers. Raises ValueError with its complaint; nobody is asked for a password."""
    outside = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    try:
        process = subprocess.Popen(  # noqa: S603 - a list of arguments, after `--` what is foreign
            [*_GIT, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_SILENT | outside,
            start_new_session=True,
            text=True,
            errors="replace",
        )
    except FileNotFoundError as error:
        raise ValueError("git is not installed; import a ZIP archive or a folder") from error
    with process:
        try:
            out, complaint = process.communicate(timeout=GIT_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise ValueError(f"git took longer than {GIT_SECONDS} seconds; try again") from error
        finally:
            if process.returncode is None:  # its children with it
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        raise ValueError(f"git says: {_SECRET.sub('', complaint).strip()}")
    return out


def _is_repository(path: Path) -> bool:
    bare = (path / "HEAD").is_file() and (path / "objects").is_dir()
    return bare or (path / ".git").exists()


def _walk(folder: Path) -> Iterator[Path]:
    """Files in order; links to folders are not followed."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in sorted(files):
            yield Path(place, name)


def _bound(count: int, most: int, what: str) -> None:
    if count > most:
        raise ValueError(f"expected at most {most:,} {what}, got more; import a part of it")
