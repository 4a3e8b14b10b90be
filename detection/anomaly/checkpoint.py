"""What a tenant's behaviour has taught, on disk with the place in the log it stands for."""

from pathlib import Path
from typing import Final, Protocol

import structlog

from detection.anomaly.artefacts import replace
from detection.anomaly.tenant import Kept, from_bytes, to_bytes

log = structlog.get_logger()

SUFFIX: Final = ".checkpoint"


class Checkpoints(Protocol):
    """Where they are kept."""

    def load(self, tenant: str) -> Kept | None:
        """The latest, None where there is none that can be read."""

    def save(self, kept: Kept) -> None:
        """Replace it, whole or not at all. Raises Overloaded where the disk takes no more."""


class CheckpointFiles:
    """A file a tenant in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, tenant: str) -> Kept | None:
        """See Checkpoints. One that is torn is left aside: the log tells it all again."""
        path = self._path(tenant)
        if not path.exists():
            return None
        try:
            kept = from_bytes(path.read_bytes())
        except ValueError as error:
            log.warning("checkpoint_left_aside", tenant=tenant, reason=str(error))
            return None
        return kept if kept.tenant == tenant else None

    def save(self, kept: Kept) -> None:
        """See Checkpoints."""
        replace(self._path(kept.tenant), to_bytes(kept))

    def erase(self, tenant: str) -> None:
        """Forget a tenant that has left."""
        self._path(tenant).unlink(missing_ok=True)

    def tenants(self) -> list[str]:
        """Those that something is kept of."""
        return sorted(path.stem for path in self._folder.glob(f"*{SUFFIX}"))

    def _path(self, tenant: str) -> Path:
        return self._folder / f"{tenant}{SUFFIX}"
