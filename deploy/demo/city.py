"""The three made-up organisations of the demo: their networks, hosts and people."""

from dataclasses import dataclass

WINDOWS = "C:\\Windows\\System32\\"
OFFICE = "C:\\Program Files\\Microsoft Office\\root\\Office16\\"
EXPLORER = "C:\\Windows\\explorer.exe"
POWERSHELL_EXE = WINDOWS + "WindowsPowerShell\\v1.0\\powershell.exe"


@dataclass(frozen=True)
class Desk:
    """A person at a workstation."""

    account: str
    user: str
    """As Windows writes it, `DOMAIN\\name`."""
    host: str
    address: str


@dataclass(frozen=True)
class Organisation:
    """One tenant's made-up network."""

    tenant: str
    name: str
    domain: str
    zone: str
    prefix: str
    """Of host names."""
    network: str
    """The first two numbers of its addresses."""
    people: tuple[str, ...]
    servers: tuple[str, ...]
    """Windows servers without the prefix; the first is the domain controller."""

    def desks(self) -> list[Desk]:
        """Everyone, each at a workstation of their own."""
        return [self.desk(person) for person in self.people]

    def desk(self, person: str) -> Desk:
        """Where a person sits."""
        number = self.people.index(person) + 1
        return Desk(
            account=person,
            user=f"{self.domain}\\{person}",
            host=self.host(f"ws-{number:02}"),
            address=f"{self.network}.1.{number + 20}",
        )

    def host(self, name: str) -> str:
        """The full name of a host."""
        return f"{self.prefix}-{name}.{self.zone}"

    def server_address(self, name: str) -> str:
        """The address of a Windows server."""
        return f"{self.network}.0.{self.servers.index(name) + 10}"


COUNCIL = Organisation(
    tenant="council",
    name="Riverside City Council",
    domain="RIVERSIDE",
    zone="riverside.example",
    prefix="rcc",
    network="10.10",
    people=(
        "a.okafor", "b.lindqvist", "c.mbeki", "d.hartley", "e.sandhu", "f.novak", "g.pereira",
        "h.whitlock", "i.castell", "j.brannigan", "k.osei", "l.fairweather", "m.dunmore", "n.iqbal",
    ),
    servers=("dc01", "fs01", "sql01", "bk01"),
)  # fmt: skip
TRUST = Organisation(
    tenant="nhstrust",
    name="Riverside NHS Foundation Trust",
    domain="RIVERTRUST",
    zone="rivertrust.example",
    prefix="rnt",
    network="10.20",
    people=(
        "o.adeyemi", "p.marchetti", "q.holloway", "r.nilsson", "s.banerjee", "t.coleman",
        "u.kowalska", "v.ashdown", "w.tremaine", "x.ferreira", "y.mukherjee", "z.pemberton",
    ),
    servers=("dc01", "fs01", "print01"),
)  # fmt: skip
SCHOOL = Organisation(
    tenant="school",
    name="Northgate School",
    domain="NORTHGATE",
    zone="northgate.example",
    prefix="ngs",
    network="10.30",
    people=(
        "a.fletcher", "b.rahman", "c.doyle", "d.kaminski", "e.thornbury", "f.abara", "g.winslow",
        "h.castellano",
    ),
    servers=("dc01", "web01", "fs01"),
)  # fmt: skip
CITY = (COUNCIL, TRUST, SCHOOL)

TRUST_LINUX = ("epr01", "pacs01", "lab01")
"""The trust's Linux servers: patient records, imaging, laboratory."""
CLOUD_ACCOUNT = "111122223333"
