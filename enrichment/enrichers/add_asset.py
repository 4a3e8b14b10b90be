"""Adds what the tenant's own register says of the assets that a match is about."""

from collections.abc import Mapping, Sequence

from enrichment.register import AssetRegister

NOBODY = AssetRegister()


class AddAsset:
    """See enrichment.contract.Enricher. Facts: asset, kind, owner, criticality."""

    name = "add_asset"

    def __init__(self, registers: Mapping[str, AssetRegister] | None = None) -> None:
        self.replace(registers or {})

    def replace(self, registers: Mapping[str, AssetRegister]) -> None:
        """Put these registers in force at once, by tenant. May be called by any thread."""
        self._registers = dict(registers)

    def add(self, tenant: str, related: Mapping[str, Sequence[str]]) -> Mapping[str, str]:
        """The asset that most hangs on among all that the match names."""
        asset = self._registers.get(tenant, NOBODY).find(related)
        if asset is None:
            return {}
        facts = {"asset": asset.name, "kind": asset.kind, "criticality": asset.criticality}
        return {**facts, "owner": asset.owner} if asset.owner else facts
