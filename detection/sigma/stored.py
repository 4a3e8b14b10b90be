"""Files that only save time: what was compiled before, whole or not at all, and not for ever."""

import os
from hashlib import blake2b
from pathlib import Path

CACHE_ENVIRONMENT = "CITYSOC_CACHE"
MAX_FILES = 4_000
"""Files that are kept, the last used ones; a rule set of thousands of rules needs some hundreds."""
MAX_BYTES = 1 << 30


def cache_folder() -> Path | None:
    """Where compiled databases are kept, None if that is no folder of ours alone.

    `$CITYSOC_CACHE`, else `~/.cache/citysoc`. A database is trusted as code is, so a folder that
    others may write to is not used.
    """
    named = os.environ.get(CACHE_ENVIRONMENT)
    base = Path(named) if named else Path.home() / ".cache" / "citysoc"
    folder = base / "hyperscan"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError:
        return None
    return folder if status.st_uid == os.getuid() and not status.st_mode & 0o022 else None


def sealed(data: bytes) -> bytes:
    """What to write to a file so that `unsealed` knows whether all of it is there."""
    return blake2b(data, digest_size=16).digest() + data


def unsealed(data: bytes) -> bytes | None:
    """What was sealed, None where it is damaged."""
    return data[16:] if blake2b(data[16:], digest_size=16).digest() == data[:16] else None


def recalled(path: Path) -> bytes | None:
    """What was stored, None where nothing was or it is damaged. It counts as used now."""
    try:
        data = unsealed(path.read_bytes())
        os.utime(path)
    except OSError:
        return None
    return data


def store(path: Path, data: bytes) -> None:
    """Best effort: without it the next start does the work again."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(sealed(data))
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)


def prune(folder: Path) -> None:
    """Remove the files that were not used for longest, where there are too many."""
    try:
        with os.scandir(folder) as listed:
            found = [(entry.stat(), entry.path) for entry in listed if entry.is_file()]
        found.sort(key=lambda each: -each[0].st_mtime_ns)
        total = 0
        for number, (status, path) in enumerate(found):
            total += status.st_size
            if number >= MAX_FILES or total > MAX_BYTES:
                Path(path).unlink(missing_ok=True)
    except OSError:  # another process is at it too
        return
