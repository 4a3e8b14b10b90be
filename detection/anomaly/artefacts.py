"""Models as files: signed, versioned, one in force; what was not made here is never opened."""

import hashlib
import hmac
import os
import re
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

import msgspec

from collectors.bus.contract import Malformed, Overloaded

KEPT: Final = 7
"""Versions of a model that are kept; the one in force always is."""
SCIKIT_LEARN: Final = metadata.version("scikit-learn")
MAX_BYTES: Final = 64 * 1024 * 1024
CURRENT: Final = "current"
MODEL: Final = "model"
NAME: Final = re.compile(r"[a-z0-9_]{1,64}")
VERSION: Final = re.compile(r"[0-9]{8}-[0-9a-f]{12}")


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a model's file: what it is, and the proof that we made it."""

    v: int = 1
    tenant: str
    profile: str
    version: str
    day: str
    """The day of event time that it was learned at the end of, `2026-11-24`."""
    scikit_learn: str = ""
    schema: str
    """Digest of the profile's facets: other facets, other model."""
    sha256: str = ""
    """Of the content."""
    windows: int
    """What it was learned from."""
    entities: int
    live: bool = True
    """Whether it went into force when it was made, or was refused."""
    compared: dict[str, float] = {}
    """How it did in shadow beside the one before it."""
    signature: str = ""


class Artefacts:
    """All models of an installation, in one folder, under one key; likewise what is no model."""

    def __init__(
        self, folder: Path, key: bytes, *, kind: str = MODEL, versions: int = KEPT
    ) -> None:
        """`kind` is the files' suffix, and part of what is signed; of so many `versions` the oldest
        go."""
        self._folder = folder
        self._key = key
        self._kind = kind
        self._kept = versions
        self._suffix = f".{kind}"
        self._pointer = CURRENT if kind == MODEL else f"{kind}.{CURRENT}"

    def beside(self, kind: str, versions: int) -> "Artefacts":
        """What is kept of the same tenants, of another kind; erased with their models."""
        return Artefacts(self._folder, self._key, kind=kind, versions=versions)

    def save(self, manifest: Manifest, content: bytes) -> Manifest:
        """Write a version, complete or not at all; it is not in force yet."""
        sha256 = hashlib.sha256(content).hexdigest()
        unsigned = msgspec.structs.replace(manifest, sha256=sha256, scikit_learn=SCIKIT_LEARN)
        signed = msgspec.structs.replace(unsigned, signature=self._sign(unsigned))
        path = self._path(signed.tenant, signed.profile, signed.version)
        replace(path, msgspec.json.encode(signed) + b"\n" + content)
        return signed

    def load(self, tenant: str, profile: str, version: str) -> tuple[Manifest, bytes]:
        """One version. Raises Malformed where it is not there, or not as this installation made it.

        Nothing of a file is looked into before its signature holds.
        """
        path = self._path(tenant, profile, version)
        manifest, content = self._read(path)
        if (manifest.tenant, manifest.profile, manifest.version) != (tenant, profile, version):
            raise Malformed(f"{path}: expected {tenant}'s {profile} {version}, got another's model")
        if manifest.scikit_learn != SCIKIT_LEARN:
            raise Malformed(
                f"{path}: made by scikit-learn {manifest.scikit_learn}, this is "
                f"{SCIKIT_LEARN}; it is learned anew tonight"
            )
        return manifest, content

    def put_in_force(self, tenant: str, profile: str, version: str) -> None:
        """Let the pointer name this version; the oldest of too many go."""
        self.load(tenant, profile, version)
        folder = self._place(tenant, profile)
        replace(folder / self._pointer, version.encode())
        versions = [each.version for each in self.versions(tenant, profile)]
        for old in versions[self._kept :]:
            if old != version:
                self._path(tenant, profile, old).unlink(missing_ok=True)

    def in_force(self, tenant: str, profile: str) -> str:
        """The version that the pointer names, empty where there is none."""
        try:
            named = (self._place(tenant, profile) / self._pointer).read_text("utf-8").strip()
        except FileNotFoundError:
            return ""
        if not VERSION.fullmatch(named):
            raise Malformed(
                f"{tenant}'s {profile}: expected a version in force, got {named[:40]!r}"
            )
        return named

    def versions(self, tenant: str, profile: str) -> list[Manifest]:
        """The newest first, by the day they were learned. Files that are not ours are left out."""
        found = []
        for path in sorted(self._place(tenant, profile).glob(f"*{self._suffix}"), reverse=True):
            try:
                found.append(self._read(path)[0])
            except Malformed:
                continue
        return found

    def tenants(self) -> list[str]:
        """Those that there are models of, sorted."""
        found = self._folder.iterdir() if self._folder.is_dir() else ()
        return sorted(path.name for path in found if path.is_dir())

    def profiles(self, tenant: str) -> Iterator[str]:
        """The profiles that a tenant has models of, sorted."""
        folder = self._folder / _checked(tenant)
        for path in sorted(folder.iterdir() if folder.is_dir() else ()):
            if path.is_dir() and NAME.fullmatch(path.name):
                yield path.name

    def withdraw(self, tenant: str, profile: str) -> None:
        """Remove every version of one profile, of this kind."""
        folder = self._place(tenant, profile)
        for path in (folder / self._pointer, *folder.glob(f"*{self._suffix}")):
            path.unlink(missing_ok=True)

    def erase(self, tenant: str) -> None:
        """Remove everything that was learned from a tenant."""
        folder = self._folder / _checked(tenant)
        if folder.exists():
            shutil.rmtree(folder)

    def _read(self, path: Path) -> tuple[Manifest, bytes]:
        try:
            if path.stat().st_size > MAX_BYTES:
                raise Malformed(f"{path}: more than {MAX_BYTES} bytes")
            head, _, content = path.read_bytes().partition(b"\n")
        except FileNotFoundError as missing:
            raise Malformed(
                f"{path}: no such model; `citysoc anomaly models` lists them"
            ) from missing
        try:
            manifest = msgspec.json.decode(head, type=Manifest)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Malformed(f"{path}: expected a model's manifest: {error}") from error
        unsigned = msgspec.structs.replace(manifest, signature="")
        if not hmac.compare_digest(manifest.signature, self._sign(unsigned)):
            raise Malformed(f"{path}: not signed by this installation's key; it is not opened")
        if hashlib.sha256(content).hexdigest() != manifest.sha256:
            raise Malformed(f"{path}: its content is not what was signed; it is not opened")
        return manifest, content

    def _sign(self, unsigned: Manifest) -> str:
        kind = b"" if self._kind == MODEL else self._kind.encode()
        return hmac.new(self._key, kind + msgspec.json.encode(unsigned), "sha256").hexdigest()

    def _place(self, tenant: str, profile: str) -> Path:
        return self._folder / _checked(tenant) / _checked(profile)

    def _path(self, tenant: str, profile: str, version: str) -> Path:
        if not VERSION.fullmatch(version):
            raise Malformed(
                f"expected a version such as 20261124-0a1b2c3d4e5f, got {version[:40]!r}"
            )
        return self._place(tenant, profile) / f"{version}{self._suffix}"


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise Malformed(f"expected a name of small letters, digits and _, got {name[:40]!r}")
    return name


def replace(path: Path, content: bytes) -> None:
    """Put a file in its place at once, on disk before its name is. Raises Overloaded."""
    fresh = path.with_suffix(".fresh")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise Overloaded(f"{path} can't be written: {error.strerror}") from error
