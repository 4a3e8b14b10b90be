"""The installation's own key, under which names become digests and models are signed."""

import os
import secrets
from pathlib import Path
from typing import Final

from deploy.settings import Settings

FOLDER: Final = "anomaly"
KEY_FILE: Final = "installation.key"
KEY_BYTES: Final = 32


def open_key(settings: Settings) -> bytes:
    """Made the first time that it is wanted; of stages that start together one makes it."""
    path: Path = settings.data / FOLDER / KEY_FILE
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        _make(path)
    return path.read_bytes()


def _make(path: Path) -> None:
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(fresh)
    except FileExistsError:
        pass  # another stage was faster
    finally:
        fresh.unlink()
