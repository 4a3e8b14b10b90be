"""A tenant's register of assets, as the people who may change it do it."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import delete, insert

from tenants import audit, schema
from tenants.access import Invalid, Principal
from tenants.clock import Clock, stamp, utc_now
from tenants.database import Database
from tenants.onboarding import checked_text, visible_tenant
from tenants.registry import Asset, Registry, touch

KINDS = ("host", "user", "ip")
CRITICALITIES = ("low", "normal", "high", "critical")
MAX_ASSETS = 100_000


class AssetBook:
    """Bound to one person; SOC staff and the tenant's own partners keep the register."""

    def __init__(self, database: Database, principal: Principal, *, clock: Clock = utc_now) -> None:
        self._database = database
        self._principal = principal
        self._clock = clock

    def assets(self, tenant: str) -> Sequence[Asset]:
        """By kind and name. Raises NotFound."""
        with self._database.read() as connection:
            visible_tenant(connection, self._principal, tenant)
        return Registry(self._database).assets(tenant)

    def replace(self, tenant: str, assets: Sequence[Asset]) -> int:
        """Put a whole new register in force; returns its size. Raises NotFound, Invalid.

        All or nothing: one bad row leaves the old register as it was.
        """
        rows = [_row(tenant, number, asset) for number, asset in enumerate(assets, 1)]
        if len(rows) > MAX_ASSETS:
            raise Invalid(f"{len(rows)} assets", f"at most {MAX_ASSETS}")
        names = {(row["kind"], row["name"]) for row in rows}
        if len(names) < len(rows):
            raise Invalid("an asset that stands there twice", "each kind and name once")
        with self._database.write() as connection:
            visible_tenant(connection, self._principal, tenant)
            connection.execute(delete(schema.assets).where(schema.assets.c.tenant_id == tenant))
            if rows:
                connection.execute(insert(schema.assets), rows)
            touch(connection)
            audit.record(
                connection,
                time=stamp(self._clock()),
                who=self._principal.user,
                what="asset register replaced",
                tenant=tenant,
                detail=f"{len(rows)} assets",
            )
        return len(rows)


def _row(tenant: str, number: int, asset: Asset) -> dict[str, str]:
    if asset.kind not in KINDS:
        raise Invalid(f"row {number}: kind {asset.kind[:40]!r}", f"one of {', '.join(KINDS)}")
    if asset.criticality not in CRITICALITIES:
        raise Invalid(
            f"row {number}: criticality {asset.criticality[:40]!r}",
            f"one of {', '.join(CRITICALITIES)}",
        )
    checked = {"name": checked_text(asset.name, f"row {number}: a name", 255)}
    if asset.owner:
        checked["owner"] = checked_text(asset.owner, f"row {number}: an owner", 100)
    return {"tenant_id": tenant, **msgspec.structs.asdict(asset), **checked}
