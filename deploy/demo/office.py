"""An ordinary working day on Windows: people sign in, start programs, browse and print."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from deploy.demo import lines
from deploy.demo.city import EXPLORER, OFFICE, POWERSHELL_EXE, WINDOWS, Desk, Organisation

Line = tuple[float, str]
"""Seconds after the first start, and the line."""

EDGE = "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe"
PROGRAMS = (
    (OFFICE + "OUTLOOK.EXE", '"OUTLOOK.EXE" /recycle'),
    (OFFICE + "WINWORD.EXE", '"WINWORD.EXE" /n "\\\\fs01\\Shared\\Minutes.docx"'),
    (OFFICE + "EXCEL.EXE", '"EXCEL.EXE" "\\\\fs01\\Shared\\Budget.xlsx"'),
    (EDGE, '"msedge.exe" --profile-directory=Default'),
    ("C:\\Program Files\\Teams\\ms-teams.exe", '"ms-teams.exe" msteams:system-initiated'),
    ("C:\\Program Files\\Adobe\\Acrobat\\Acrobat.exe", '"Acrobat.exe" "Notice.pdf"'),
    (WINDOWS + "notepad.exe", "notepad.exe notes.txt"),
    (WINDOWS + "calc.exe", "calc.exe"),
)
SYSTEM_PROGRAMS = (
    (WINDOWS + "taskhostw.exe", "taskhostw.exe SYSTEM"),
    (WINDOWS + "backgroundTaskHost.exe", "backgroundTaskHost.exe -ServerName:App.AppXmtcan"),
    (WINDOWS + "wuauclt.exe", "wuauclt.exe /RunHandlerComServer"),
    (WINDOWS + "gpupdate.exe", "gpupdate.exe /target:computer"),
    (WINDOWS + "msiexec.exe", "msiexec.exe /V"),
)
SITES = (
    "www.gov.uk", "outlook.office365.com", "teams.microsoft.com", "www.bbc.co.uk",
    "login.microsoftonline.com", "ctldl.windowsupdate.com", "maps.example", "library.example",
)  # fmt: skip
LIBRARIES = ("wininet.dll", "winhttp.dll", "dbghelp.dll", "netapi32.dll")
FAILURES = ("0xc000006a", "0xc000006a", "0xc0000064", "0xc0000071")
"""Wrong password twice as often as an unknown name or an expired password."""
ADMIN_SCRIPTS = (
    "Get-ADUser -Filter {Enabled -eq $false} | Select-Object Name",
    "Get-Service -Name Spooler | Restart-Service",
    "Get-WindowsUpdateLog",
    "Test-NetConnection -ComputerName fs01 -Port 445",
)


def windows_day(
    rng: random.Random, organisation: Organisation, count: int, start: float, end: float
) -> Iterator[Line]:
    """About `count` Windows events of an organisation between two times."""
    made = 0
    while made < count:
        scene = _Scene(rng, organisation, rng.choice(organisation.desks()))
        activity = rng.choices(*_ACTIVITIES)[0]
        begun = rng.uniform(start, end)
        for event in activity(scene):
            # Half a minute at most lies between the events of one activity.
            begun = min(begun + rng.uniform(0.05, 6.0), end)
            yield begun, event
            made += 1


@dataclass(frozen=True)
class _Scene:
    """Who does something, and where the details come from."""

    rng: random.Random
    organisation: Organisation
    desk: Desk


def digest(image: str) -> str:
    """A file's hashes as Sysmon writes them, the same for the same file."""
    return f"SHA256={sha256(image.lower().encode()).hexdigest().upper()}"


def _sign_in(scene: _Scene) -> Iterator[str]:
    if scene.rng.random() < 0.25:
        yield lines.windows(
            lines.SECURITY, 4625, scene.desk.host, TargetUserName=scene.desk.account,
            TargetDomainName=scene.organisation.domain, LogonType="2", IpAddress="127.0.0.1",
            Status="0xc000006d", SubStatus=scene.rng.choice(FAILURES),
            WorkstationName=scene.desk.host,
        )  # fmt: skip
    for host, kind, address in (
        (scene.desk.host, "2", "127.0.0.1"),
        (scene.organisation.host("dc01"), "3", scene.desk.address),
    ):
        yield lines.windows(
            lines.SECURITY, 4624, host, TargetUserName=scene.desk.account,
            TargetDomainName=scene.organisation.domain, LogonType=kind, IpAddress=address,
            AuthenticationPackageName="Kerberos", WorkstationName="-",
        )  # fmt: skip


def _start_program(scene: _Scene) -> Iterator[str]:
    image, command = scene.rng.choice(PROGRAMS)
    yield lines.process(
        scene.desk.host, scene.desk.user, image, command, EXPLORER,
        IntegrityLevel="Medium", Hashes=digest(image),
    )  # fmt: skip
    if scene.rng.random() < 0.4:
        library = WINDOWS + scene.rng.choice(LIBRARIES)
        yield lines.windows(
            lines.SYSMON, 7, scene.desk.host, User=scene.desk.user, Image=image,
            ImageLoaded=library, Signed="true", Signature="Microsoft Windows",
            Hashes=digest(library),
        )  # fmt: skip


def _system_work(scene: _Scene) -> Iterator[str]:
    image, command = scene.rng.choice(SYSTEM_PROGRAMS)
    yield lines.process(
        scene.desk.host, "NT AUTHORITY\\SYSTEM", image, command, WINDOWS + "svchost.exe",
        IntegrityLevel="System", Hashes=digest(image),
    )  # fmt: skip
    if scene.rng.random() < 0.5:
        yield lines.windows(
            lines.SYSMON, 10, scene.desk.host, SourceImage=WINDOWS + "svchost.exe",
            TargetImage=WINDOWS + "lsass.exe", GrantedAccess="0x1000",
            SourceUser="NT AUTHORITY\\SYSTEM", TargetUser="NT AUTHORITY\\SYSTEM",
        )  # fmt: skip


def _browse(scene: _Scene) -> Iterator[str]:
    for site in scene.rng.sample(SITES, scene.rng.randint(1, 3)):
        address = f"192.0.2.{SITES.index(site) + 20}"
        yield lines.windows(
            lines.SYSMON, 22, scene.desk.host, User=scene.desk.user, Image=EDGE,
            QueryName=site, QueryStatus="0", QueryResults=f"::ffff:{address};",
        )  # fmt: skip
        yield lines.windows(
            lines.SYSMON, 3, scene.desk.host, User=scene.desk.user, Image=EDGE, Protocol="tcp",
            Initiated="true", SourceIp=scene.desk.address,
            SourcePort=str(scene.rng.randint(49152, 65535)),
            DestinationIp=address, DestinationHostname=site, DestinationPort="443",
        )  # fmt: skip


def _save_file(scene: _Scene) -> Iterator[str]:
    image, _ = scene.rng.choice(PROGRAMS[1:3])
    folder = scene.rng.choice(("Documents", "Desktop", "Downloads"))
    name = f"C:\\Users\\{scene.desk.account}\\{folder}\\Draft {scene.rng.randint(1, 99)}.docx"
    yield lines.windows(
        lines.SYSMON, 11, scene.desk.host, User=scene.desk.user, Image=image, TargetFilename=name
    )


def _set_value(scene: _Scene) -> Iterator[str]:
    one_drive = (
        f"C:\\Users\\{scene.desk.account}\\AppData\\Local\\Microsoft\\OneDrive\\OneDrive.exe"
    )
    key, value = scene.rng.choice((
        ("Run\\OneDrive", f'"{one_drive}" /background'),
        ("Explorer\\RunMRU\\a", "calc"),
        ("Internet Settings\\ProxyEnable", "DWORD (0x00000000)"),
    ))  # fmt: skip
    hive = "HKU\\S-1-5-21-1004\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\"
    yield lines.windows(
        lines.SYSMON, 13, scene.desk.host, User=scene.desk.user, Image=one_drive,
        EventType="SetValue", TargetObject=hive + key, Details=value,
    )  # fmt: skip


def _print(scene: _Scene) -> Iterator[str]:
    splwow = "C:\\Windows\\splwow64.exe"
    yield lines.process(
        scene.desk.host, scene.desk.user, splwow, "splwow64.exe 12288", OFFICE + "WINWORD.EXE",
        IntegrityLevel="Medium", Hashes=digest(splwow),
    )  # fmt: skip


def _ticket(scene: _Scene) -> Iterator[str]:
    server = scene.rng.choice(scene.organisation.servers)
    yield lines.windows(
        lines.SECURITY, 4769, scene.organisation.host("dc01"), TicketEncryptionType="0x12",
        ServiceName=f"{scene.organisation.prefix}-{server}$".upper(),
        TargetUserName=f"{scene.desk.account}@{scene.organisation.zone.upper()}",
        IpAddress=f"::ffff:{scene.desk.address}",
    )  # fmt: skip


def _server_work(scene: _Scene) -> Iterator[str]:
    host = scene.organisation.host(scene.rng.choice(scene.organisation.servers))
    image, command = scene.rng.choice((
        (WINDOWS + "wbadmin.exe", "wbadmin start backup -backupTarget:E: -include:D: -quiet"),
        (WINDOWS + "robocopy.exe", "robocopy D:\\Shared E:\\Mirror /MIR /R:1"),
        (WINDOWS + "defrag.exe", "defrag.exe -c -h -o"),
        (WINDOWS + "schtasks.exe", "schtasks /query /fo csv"),
        (WINDOWS + "vssadmin.exe", "vssadmin list shadows"),
    ))  # fmt: skip
    yield lines.windows(
        lines.SECURITY, 4688, host, NewProcessName=image, CommandLine=command,
        SubjectUserName=f"{scene.organisation.prefix}-svc-ops",
        SubjectDomainName=scene.organisation.domain, ParentProcessName=WINDOWS + "svchost.exe",
    )  # fmt: skip
    if scene.rng.random() < 0.3:
        yield lines.windows(
            lines.SYSTEM,
            7036,
            host,
            param1="Windows Update",
            param2=scene.rng.choice(("running", "stopped")),
        )


def _administer(scene: _Scene) -> Iterator[str]:
    host = scene.organisation.desks()[0].host
    yield lines.process(
        host, scene.organisation.desks()[0].user, POWERSHELL_EXE,
        "powershell.exe -File C:\\Ops\\daily.ps1", EXPLORER, Hashes=digest(POWERSHELL_EXE),
    )  # fmt: skip
    yield lines.windows(
        lines.POWERSHELL, 4104, host, ScriptBlockText=scene.rng.choice(ADMIN_SCRIPTS),
        Path="C:\\Ops\\daily.ps1",
    )  # fmt: skip


def _sign_out(scene: _Scene) -> Iterator[str]:
    yield lines.windows(
        lines.SECURITY, 4634, scene.desk.host, TargetUserName=scene.desk.account,
        TargetDomainName=scene.organisation.domain, LogonType="2",
    )  # fmt: skip


_Activity = Callable[[_Scene], Iterator[str]]
_WEIGHTS: dict[_Activity, int] = {
    _sign_in: 14, _start_program: 20, _system_work: 12, _browse: 16, _save_file: 8,
    _set_value: 6, _print: 4, _ticket: 10, _server_work: 6, _administer: 2, _sign_out: 5,
}  # fmt: skip
_ACTIVITIES = (list(_WEIGHTS), list(_WEIGHTS.values()))
