"""What people of other organisations see in place of names, where an organisation wants it so."""

import hashlib
import hmac
from collections.abc import Collection

import msgspec

from detection.signal import Entity
from detection.unusual import Aspect, Unusual
from enrichment.register import Asset
from tenants.access import Denied, Principal
from tenants.triage.queue import AlertPart, Item, ItemDetail
from tenants.unusual import MEANING

DIGITS = 12


class Pseudonyms:
    """Bound to no one: asks for each person and organisation whether names are to be kept back.

    A pseudonym is a keyed digest. Nobody can undo it; the organisation's own people see name and
    pseudonym side by side.
    """

    def __init__(self, key: bytes, tenants: Collection[str] = ()) -> None:
        """`key` is the installation's; `tenants` are those that keep their names to themselves."""
        self._key = key
        self._tenants = frozenset(tenants)

    def from_others(self, tenant: str) -> bool:
        """Whether an organisation keeps its names to its own people."""
        return tenant in self._tenants

    def hidden_from(self, principal: Principal) -> frozenset[str]:
        """The organisations whose names a person must not see, of those that they see at all."""
        return self._tenants - (principal.tenants or frozenset())

    def hides(self, principal: Principal, tenant: str) -> bool:
        """Whether a person sees pseudonyms there."""
        return tenant in self.hidden_from(principal)

    def require_own(self, principal: Principal, tenant: str) -> None:
        """Raise Denied for what shows names that can't be told apart from the rest."""
        if self.hides(principal, tenant):
            raise Denied(
                f"{tenant} keeps names and events to its own people; ask them about the alert"
            )

    def of(self, tenant: str, kind: str, name: str) -> str:
        """`host-3f9a2c71d0e4`: the same name of an organisation is always the same."""
        text = f"pseudonym\x00{tenant}\x00{kind}\x00{name}".encode("utf-8", "surrogatepass")
        return f"{kind}-{hmac.new(self._key, text, hashlib.sha256).hexdigest()[:DIGITS]}"

    def item(self, principal: Principal, item: Item) -> Item:
        """An item as a person may see it."""
        if not self.hides(principal, item.tenant):
            return item
        kind = item.entity.kind
        named = Entity(kind, self.of(item.tenant, kind, item.entity.name))
        return msgspec.structs.replace(item, entity=named)

    def detail(self, principal: Principal, detail: ItemDetail) -> ItemDetail:
        """An item with all that belongs to it: what may hold names goes, values with it."""
        tenant = detail.item.tenant
        if not self.hides(principal, tenant):
            return detail
        return msgspec.structs.replace(
            detail,
            item=self.item(principal, detail.item),
            related={
                kind: [self.of(tenant, kind, name) for name in names]
                for kind, names in detail.related.items()
            },
            context={},
            alerts=[_part(part) for part in detail.alerts],
            evidence=[msgspec.structs.replace(each, body=None) for each in detail.evidence],
        )

    def asset(self, principal: Principal, tenant: str, asset: Asset) -> Asset:
        """An entry of the register as a person may see it."""
        if not self.hides(principal, tenant):
            return asset
        return msgspec.structs.replace(
            asset, name=self.of(tenant, asset.kind, asset.name), owner=""
        )


NO_PSEUDONYMS = Pseudonyms(b"")
"""Where every name is shown to whoever sees the organisation."""


def _part(part: AlertPart) -> AlertPart:
    unusual = part.unusual and _without_values(part.unusual)
    return msgspec.structs.replace(part, unusual=unusual)


def _without_values(unusual: Unusual) -> Unusual:
    """Its sentences name entities and values; what each view means says neither."""
    aspects = tuple(
        Aspect(view=each.view, sentence=MEANING.get(each.view, "")) for each in unusual.aspects
    )
    return msgspec.structs.replace(unusual, aspects=aspects)
