"""What the demo needs in the registry: tenants, their sources, people and assets, as plain data."""

from dataclasses import dataclass

from deploy.demo.city import CITY, COUNCIL, SCHOOL, TRUST, TRUST_LINUX, Organisation


@dataclass(frozen=True)
class DemoSource:
    """A source to onboard; kinds are those of the registry."""

    name: str
    kind: str


@dataclass(frozen=True)
class DemoUser:
    """A partner's person who sees this tenant only."""

    name: str
    display: str


@dataclass(frozen=True)
class DemoAsset:
    """A row of the tenant's register."""

    kind: str
    """`host`, `user` or `ip`."""
    name: str
    owner: str
    criticality: str
    """`low`, `normal`, `high` or `critical`."""


@dataclass(frozen=True)
class DemoTenant:
    """Everything about one tenant."""

    id: str
    name: str
    sources: tuple[DemoSource, ...]
    users: tuple[DemoUser, ...]
    assets: tuple[DemoAsset, ...]


def demo_tenants() -> tuple[DemoTenant, ...]:
    """The council, the trust and the school."""
    return tuple(
        DemoTenant(
            id=each.tenant,
            name=each.name,
            sources=tuple(DemoSource(name=kind, kind=kind) for kind in _KINDS[each.tenant]),
            users=(DemoUser(each.tenant, f"Security contact, {each.name}"),),
            assets=tuple(_assets(each)),
        )
        for each in CITY
    )


_KINDS = {
    "council": ("windows", "firewall", "web", "aws"),
    "nhstrust": ("windows", "linux", "auditd"),
    "school": ("windows", "firewall", "web"),
}
_SERVERS = {
    COUNCIL.tenant: {
        "dc01": ("Digital Services", "critical"),
        "fs01": ("Digital Services", "high"),
        "sql01": ("Revenues and Benefits", "critical"),
        "bk01": ("Digital Services", "critical"),
    },
    TRUST.tenant: {
        "dc01": ("Trust IT", "critical"),
        "fs01": ("Trust IT", "high"),
        "print01": ("Trust IT", "low"),
        **dict.fromkeys(TRUST_LINUX[:1], ("Patient Records", "critical")),
        **dict.fromkeys(TRUST_LINUX[1:], ("Diagnostics", "high")),
    },
    SCHOOL.tenant: {
        "dc01": ("School IT", "high"),
        "web01": ("School Office", "normal"),
        "fs01": ("School Office", "high"),
    },
}
_IMPORTANT = {
    "k.osei": ("Digital Services, domain administrator", "high"),
    "o.adeyemi": ("Trust IT, Linux administrator", "high"),
    "it.support": ("School IT, administrator", "high"),
    "svc-website": ("Digital Services, key of the web site", "high"),
    "svc-imaging": ("Diagnostics, service account", "high"),
}
_OF = {"k.osei": COUNCIL, "o.adeyemi": TRUST, "it.support": SCHOOL}
_OF |= {"svc-website": COUNCIL, "svc-imaging": TRUST}


def _assets(organisation: Organisation) -> list[DemoAsset]:
    servers = [
        DemoAsset("host", organisation.host(name), owner, criticality)
        for name, (owner, criticality) in _SERVERS[organisation.tenant].items()
    ]
    desks = [
        DemoAsset("host", desk.host, f"Workstation of {desk.account}", "normal")
        for desk in organisation.desks()
    ]
    accounts = [
        DemoAsset("user", name, owner, criticality)
        for name, (owner, criticality) in _IMPORTANT.items()
        if _OF[name] is organisation
    ]
    return [*servers, *desks, *accounts]
