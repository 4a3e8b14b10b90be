"""A tenant's register of assets: what there is, whose it is and how much hangs on it."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from collectors.fields import normalised

KINDS: Final = ("host", "ip", "user")
"""In the order in which one is named where several matter equally."""
CRITICALITIES: Final = ("low", "normal", "high", "critical")
COLUMNS: Final = ("kind", "name", "owner", "criticality")
MAX_BYTES: Final = 16 * 1024 * 1024
MAX_ASSETS: Final = 100_000
MAX_NAME: Final = 255
MAX_OWNER: Final = 100
MAX_FAULTS: Final = 100


class AssetRow(Protocol):
    """What a register is made from."""

    @property
    def kind(self) -> str:
        """`host`, `user` or `ip`."""

    @property
    def name(self) -> str:
        """As the tenant writes it."""

    @property
    def owner(self) -> str:
        """A person or a team; may be empty."""

    @property
    def criticality(self) -> str:
        """`low`, `normal`, `high` or `critical`."""


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a register."""

    kind: str
    name: str
    owner: str = ""
    criticality: str = "normal"


class RowFault(NamedTuple):
    """Why a line of a register can't be used; lines count from 1."""

    line: int
    message: str


class AssetRegister:
    """An immutable register, asked by the spelling that events have in `soc.related`."""

    def __init__(self, rows: Iterable[AssetRow] = ()) -> None:
        assets = [
            Asset(kind=row.kind, name=row.name, owner=row.owner, criticality=row.criticality)
            for row in rows
        ]
        self._assets: dict[tuple[str, str], Asset] = {}
        spellings = [(asset, normalised(asset.kind, asset.name)) for asset in assets]
        # a host's short name finds it too, unless another asset bears exactly that name
        for asset, names in spellings:
            for name in names[1:]:
                self._assets.setdefault((asset.kind, name), asset)
        self._assets.update({(asset.kind, names[0]): asset for asset, names in spellings if names})

    def __len__(self) -> int:
        """How many spellings it knows."""
        return len(self._assets)

    def find(self, related: Mapping[str, Sequence[str]]) -> Asset | None:
        """The asset among these that most hangs on; host before ip before user where equal."""
        found = [
            asset
            for kind in KINDS
            for name in related.get(kind, ())
            if (asset := self._assets.get((kind, name))) is not None
        ]
        return max(found, key=lambda asset: CRITICALITIES.index(asset.criticality), default=None)


def parse_csv(content: bytes) -> tuple[Sequence[Asset], Sequence[RowFault]]:
    """Read a register from CSV with a header line; columns kind, name and, if known, the others.

    UTF-8, with or without a byte-order mark. Every fault is collected (up to MAX_FAULTS); where
    there is any, the assets are those of the good lines.
    """
    if len(content) > MAX_BYTES:
        return (), [RowFault(1, f"{len(content):,} bytes; a register has at most {MAX_BYTES:,}")]
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return (), [RowFault(line, "expected UTF-8 text; save the file as CSV UTF-8")]
    return _read_rows(csv.reader(io.StringIO(text, newline=""), strict=True))


class _Lines(Protocol):
    """What csv.reader returns."""

    line_num: int

    def __iter__(self) -> "_Lines": ...

    def __next__(self) -> list[str]: ...


def _read_rows(reader: _Lines) -> tuple[Sequence[Asset], Sequence[RowFault]]:
    assets: dict[tuple[str, str], Asset] = {}
    faults: list[RowFault] = []
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if fault := _header_fault(header):
            return (), [RowFault(1, fault)]
        line = reader.line_num + 1
        for row in reader:
            if any(cell.strip() for cell in row):
                _read_row(line, header, row, assets, faults)
            if len(faults) >= MAX_FAULTS or len(assets) > MAX_ASSETS:
                break
            line = reader.line_num + 1
    except csv.Error as error:
        faults.append(RowFault(max(reader.line_num, 1), f"no CSV: {error}"))
    if len(assets) > MAX_ASSETS:
        faults.append(RowFault(reader.line_num, f"more than {MAX_ASSETS:,} assets"))
    return list(assets.values()), faults


def _header_fault(header: Sequence[str]) -> str:
    unknown = [name for name in header if name not in COLUMNS]
    missing = [name for name in ("kind", "name") if name not in header]
    if not unknown and not missing and len(set(header)) == len(header):
        return ""
    return f"expected the columns {', '.join(COLUMNS)}; got {', '.join(header)[:200] or 'nothing'}"


def _read_row(
    line: int,
    header: Sequence[str],
    row: Sequence[str],
    assets: dict[tuple[str, str], Asset],
    faults: list[RowFault],
) -> None:
    if len(row) != len(header):
        faults.append(RowFault(line, f"expected {len(header)} columns, got {len(row)}"))
        return
    cells = {name: cell.strip() for name, cell in zip(header, row, strict=True)}
    asset = Asset(
        kind=cells["kind"].lower(),
        name=cells["name"],
        owner=cells.get("owner", ""),
        criticality=cells.get("criticality", "").lower() or "normal",
    )
    message = asset_fault(asset) or (
        "stands there twice" if (asset.kind, asset.name) in assets else ""
    )
    if message:
        faults.append(RowFault(line, message))
    else:
        assets[asset.kind, asset.name] = asset


def asset_fault(asset: Asset) -> str:
    """Why a row can't be used, empty where it can."""
    if asset.kind not in KINDS:
        return f"kind {asset.kind[:40]!r}; expected {', '.join(KINDS)}"
    if asset.criticality not in CRITICALITIES:
        return f"criticality {asset.criticality[:40]!r}; expected {', '.join(CRITICALITIES)}"
    if len(asset.name) > MAX_NAME or len(asset.owner) > MAX_OWNER:
        return f"a name has at most {MAX_NAME} characters, an owner {MAX_OWNER}"
    if not (asset.name + asset.owner).isprintable():
        return "a name and an owner hold printable characters only"
    if not normalised(asset.kind, asset.name):
        return f"{asset.name[:40]!r} names no {asset.kind}"
    return ""
