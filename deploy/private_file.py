"""A small JSON file that only its owner can read, replaced whole."""

import json
import os
from pathlib import Path
from typing import Any


def read(path: Path) -> Any:
    """What write() kept, None where there is nothing yet."""
    if not path.exists():
        return None
    return json.loads(path.read_text("utf-8"))


def write(path: Path, values: Any) -> None:
    """Keep values, durably, with mode 600."""
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(values, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
