"""A rule set as one value: its files, a version that is a hash of them, packed to be kept."""

import os
import shutil
import tempfile
import zlib
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path, PurePosixPath

import msgspec

MAX_FILES = 20_000
MAX_BYTES = 96 * 1024 * 1024
"""Of all files together."""
MAX_PATH = 500
LEVEL = 9
RULES = "rules"
PIPELINES = "pipelines"
"""The two folders of a rule set; pipelines are applied in the order of their names."""


class Bundle(msgspec.Struct, frozen=True):
    """Files by path, such as `rules/windows/whoami.yml`, within the bounds of this module."""

    files: Mapping[str, bytes]

    @property
    def version(self) -> str:
        """32 hex digits over every path and byte."""
        digest = blake2b(b"rule set 1", digest_size=16)
        for path, data in sorted(self.files.items()):
            for part in (path.encode(), data):
                digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(map(len, self.files.values()))

    def pack(self) -> bytes:
        """Compressed; `unpack` is the way back."""
        files = dict(sorted(self.files.items()))
        return zlib.compress(msgspec.msgpack.encode(files), LEVEL)

    def write(self, folder: Path) -> None:
        """Make `folder` of it, whole or not at all, whoever else does the same at this moment."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            for name in (RULES, PIPELINES):
                (made / name).mkdir()
            for path, data in self.files.items():
                file = made / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
            made.rename(folder)
        except OSError:
            shutil.rmtree(made, ignore_errors=True)
            if not folder.is_dir():  # else somebody was faster, and it is the same
                raise


def unpack(packed: bytes) -> Bundle:
    """The bundle that was packed. Raises ValueError for anything else or beyond the bounds."""
    limit = MAX_BYTES + MAX_FILES * (MAX_PATH + 16)
    opened = zlib.decompressobj()
    try:
        data = opened.decompress(packed, limit)
        if not opened.eof:
            raise ValueError(f"expected a packed rule set of at most {limit:,} bytes, got more")
        files = msgspec.msgpack.decode(data, type=dict[str, bytes])
    except (zlib.error, msgspec.DecodeError) as error:
        raise ValueError(f"expected a packed rule set: {error}") from error
    return bounded(files)


def bounded(files: Mapping[str, bytes]) -> Bundle:
    """These files as a bundle. Raises ValueError where they are too many, too much or outside."""
    if len(files) > MAX_FILES:
        raise ValueError(f"expected at most {MAX_FILES:,} files in a rule set, got {len(files):,}")
    for path in files:
        if not is_inside(path):
            raise ValueError(f"expected a path within the rule set, got {path!r}")
    bundle = Bundle(files)
    if bundle.size > MAX_BYTES:
        raise ValueError(f"expected at most {MAX_BYTES:,} bytes of rules, got {bundle.size:,}")
    return bundle


def is_inside(path: str) -> bool:
    """Whether a path stays in the folder that it is put in, on any system."""
    parts = PurePosixPath(path).parts
    return (
        0 < len(path) <= MAX_PATH
        and path.isprintable()
        and not path.startswith("/")
        and "\\" not in path
        and ":" not in path
        and os.fspath(PurePosixPath(path)) == path
        and ".." not in parts
    )
