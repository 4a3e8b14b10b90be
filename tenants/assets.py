"""A tenant's register of assets, as the people who may change it do it."""

from collections.abc import Iterator, Sequence

import msgspec
from sqlalchemy import delete, insert

from enrichment.register import MAX_ASSETS, Asset, asset_fault, parse_csv
from tenants import audit, schema
from tenants.access import Invalid, Principal
from tenants.clock import Clock, stamp, utc_now
from tenants.database import Database
from tenants.onboarding import visible_tenant
from tenants.pseudonyms import NO_PSEUDONYMS, Pseudonyms
from tenants.registry import Registry, touch

SHOWN = 10
"""Faults named in one answer."""


class AssetBook:
    """Bound to one person; SOC staff and the tenant's own partners keep the register."""

    def __init__(
        self,
        database: Database,
        principal: Principal,
        *,
        pseudonyms: Pseudonyms = NO_PSEUDONYMS,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._principal = principal
        self._pseudonyms = pseudonyms
        self._clock = clock

    def assets(self, tenant: str) -> Sequence[Asset]:
        """By kind and name. Raises NotFound."""
        with self._database.read(self._principal.tenants) as connection:
            visible_tenant(connection, self._principal, tenant)
        found = Registry(self._database).assets(tenant)
        return [self._pseudonyms.asset(self._principal, tenant, each) for each in found]

    def replace(self, tenant: str, assets: Sequence[Asset]) -> int:
        """Put a whole new register in force; returns its size. Raises NotFound, Invalid.

        All or nothing: one bad row leaves the old register as it was.
        """
        faults = [f"row {number}: {fault}" for number, fault in _faults(assets)]
        if faults:
            raise Invalid("; ".join(faults[:SHOWN]), "rows of kind, name, owner and criticality")
        if len(assets) > MAX_ASSETS:
            raise Invalid(f"{len(assets)} assets", f"at most {MAX_ASSETS}")
        rows = [{"tenant_id": tenant, **msgspec.structs.asdict(asset)} for asset in assets]
        with self._database.write(self._principal.tenants) as connection:
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

    def replace_csv(self, tenant: str, content: bytes) -> int:
        """The same from CSV with a header line; faults name their lines."""
        assets, faults = parse_csv(content)
        if faults:
            shown = "; ".join(f"line {fault.line}: {fault.message}" for fault in faults[:SHOWN])
            raise Invalid(shown, "CSV with the columns kind, name, owner, criticality")
        return self.replace(tenant, assets)


def _faults(assets: Sequence[Asset]) -> Iterator[tuple[int, str]]:
    seen: set[tuple[str, str]] = set()
    for number, asset in enumerate(assets, 1):
        key = (asset.kind, asset.name)
        if fault := asset_fault(asset) or ("stands there twice" if key in seen else ""):
            yield number, fault
        seen.add(key)
