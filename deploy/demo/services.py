"""An ordinary day of everything else: firewalls, web sites, Linux servers and a cloud account."""

import random
from collections.abc import Iterator

from deploy.demo import lines
from deploy.demo.city import CLOUD_ACCOUNT, TRUST_LINUX, Organisation
from deploy.demo.office import Line

BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/141.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
)
PAGES = {
    "council": (
        "/", "/bins", "/bins?postcode=RV1+2AB", "/council-tax", "/planning/search?ref=26/0113",
        "/libraries", "/parking/permits", "/css/site.css", "/img/crest.png", "/contact",
    ),
    "school": (
        "/", "/term-dates", "/menus", "/parents/login.aspx", "/news?id=114", "/css/site.css",
        "/img/badge.png", "/calendar", "/policies/uniform.pdf",
    ),
}  # fmt: skip
CLOUD_CALLS = (
    ("s3", "GetObject"), ("s3", "PutObject"), ("ec2", "DescribeInstances"),
    ("ec2", "DescribeSecurityGroups"), ("cloudwatch", "PutMetricData"),
    ("sts", "GetCallerIdentity"),
    ("rds", "DescribeDBInstances"), ("iam", "ListUsers"), ("lambda", "Invoke20150331"),
    ("kms", "Decrypt"),
)  # fmt: skip
CLOUD_USERS = (
    ("svc-website", "aws-sdk-python Boto3/1.40.1"),
    ("svc-backup", "aws-cli/2.31.0 Python/3.13"),
    ("k.osei", "console.amazonaws.com"),
)
CRON = (
    "(root) CMD (/usr/lib/sysstat/debian-sa1 1 1)",
    "(root) CMD (cd / && run-parts --report /etc/cron.hourly)",
    "(postgres) CMD (/opt/epr/bin/archive-wal)",
    "(root) CMD (/opt/backup/nightly.sh)",
)
SUDO = (
    "/usr/bin/systemctl restart epr-gateway",
    "/usr/bin/apt-get update",
    "/usr/bin/tail /var/log/epr",
)
COMMANDS = (
    ("/usr/bin/systemctl", "status", "epr-gateway"), ("df", "-h"), ("/usr/bin/apt-get", "update"),
    ("tar", "-czf", "/backup/epr.tgz", "/opt/epr/data"),
    ("psql", "-c", "select count(*) from visits"),
)  # fmt: skip
ADMINS = ("o.adeyemi", "r.nilsson")


def firewall_day(
    rng: random.Random, organisation: Organisation, count: int, start: float, end: float
) -> Iterator[Line]:
    """Traffic out that is let through, and knocking from outside that is not."""
    host = organisation.host("fw01")
    for at in _times(rng, count, start, end):
        if rng.random() < 0.8:
            yield at, _outward(rng, host, organisation)
        else:
            yield at, _knock(rng, host, organisation)


def _outward(rng: random.Random, host: str, organisation: Organisation) -> str:
    return lines.firewall(
        host, "allow", src_ip=rng.choice(organisation.desks()).address,
        src_port=rng.randint(49152, 65535), dst_ip=f"192.0.2.{rng.randint(20, 60)}",
        dst_port=rng.choice((443, 443, 443, 80, 53, 123)), protocol=rng.choice(("TCP", "UDP")),
        sent_bytes=rng.randint(400, 90_000), recv_bytes=rng.randint(800, 900_000), rule="out-web",
    )  # fmt: skip


def _knock(rng: random.Random, host: str, organisation: Organisation) -> str:
    return lines.firewall(
        host, "deny", src_ip=f"198.51.100.{rng.randint(100, 250)}",
        src_port=rng.randint(1024, 65535), dst_ip=f"{organisation.network}.0.5",
        dst_port=rng.choice((22, 23, 445, 3389, 8080)), protocol="TCP",
        sent_bytes=0, recv_bytes=0, rule="in-default",
    )  # fmt: skip


def web_day(
    rng: random.Random, organisation: Organisation, count: int, start: float, end: float
) -> Iterator[Line]:
    """Visitors, crawlers and the odd broken link."""
    for at in _times(rng, count, start, end):
        page = rng.choice(PAGES[organisation.tenant])
        status = rng.choices((200, 304, 301, 404), (80, 12, 3, 5))[0]
        size = rng.randint(900, 48_000) if status == 200 else 0
        client = f"192.0.2.{rng.randint(100, 250)}"
        agent = rng.choice(BROWSERS)
        yield at, lines.access(client, f"GET {page}", status, size, agent=agent)


def cloud_day(
    rng: random.Random, organisation: Organisation, count: int, start: float, end: float
) -> Iterator[Line]:
    """Calls of the web site, of the backup and of an administrator in the console."""
    for at in _times(rng, count, start, end):
        service, call = rng.choice(CLOUD_CALLS)
        user, agent = rng.choice(CLOUD_USERS)
        address = f"{organisation.network}.0.{rng.randint(40, 44)}"
        yield at, lines.cloudtrail(service, call, user, address, agent=agent, account=CLOUD_ACCOUNT)


def linux_day(
    rng: random.Random, organisation: Organisation, count: int, start: float, end: float
) -> Iterator[Line]:
    """Jobs by the clock, administrators with keys, wrong passwords from inside."""
    for at in _times(rng, count, start, end):
        host = organisation.host(rng.choice(TRUST_LINUX))
        kind = rng.choices(("cron", "ssh", "sudo", "wrong", "system"), (38, 24, 12, 6, 20))[0]
        yield at, _linux_line(rng, kind, host, organisation)


def _linux_line(rng: random.Random, kind: str, host: str, organisation: Organisation) -> str:
    pid = rng.randint(900, 32_000)
    admin = rng.choice(ADMINS)
    address = organisation.desk(admin).address
    port = rng.randint(49152, 65535)
    if kind == "cron":
        return lines.syslog(host, "CRON", rng.choice(CRON), priority=78, pid=pid)
    if kind == "ssh":
        key = f"Accepted publickey for {admin} from {address} port {port} ssh2: ED25519 SHA256:k8"
        return lines.syslog(host, "sshd", key, pid=pid)
    if kind == "sudo":
        command = f"TTY=pts/0 ; PWD=/home/{admin} ; USER=root ; COMMAND={rng.choice(SUDO)}"
        return lines.syslog(host, "sudo", f"{admin} : {command}", priority=85, pid=pid)
    if kind == "wrong":
        failed = f"Failed password for {admin} from {address} port {port} ssh2"
        return lines.syslog(host, "sshd", failed, pid=pid)
    unit = rng.choice(("Started epr-gateway.service.", "Finished logrotate.service.", "Reloading."))
    return lines.syslog(host, "systemd", unit, priority=30, pid=1)


def audit_day(
    rng: random.Random, organisation: Organisation, count: int, start: float, end: float
) -> Iterator[Line]:
    """What administrators and jobs run on the Linux servers."""
    for number, at in enumerate(_times(rng, count, start, end)):
        node = organisation.host(rng.choice(TRUST_LINUX))
        serial = 10_000 + number
        if rng.random() < 0.7:
            yield at, lines.executed(node, serial, *rng.choice(COMMANDS))
        else:
            account = rng.choice(ADMINS)
            session = f'acct="{account}" exe="/usr/sbin/sshd" res=success'
            body = f"pid={rng.randint(900, 9999)} uid=0 {session}"
            yield at, lines.audit(node, "USER_START", serial, body)


def _times(rng: random.Random, count: int, start: float, end: float) -> list[float]:
    return sorted(rng.uniform(start, end) for _ in range(count))
