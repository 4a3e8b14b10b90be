"""Puts the demo together: which source has how many ordinary lines, and where the attacks go.

`python -m deploy.demo.scenario` writes the sample files anew.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from deploy.demo import lines
from deploy.demo.attacks.ransomware import ransomware
from deploy.demo.attacks.supplier import supplier
from deploy.demo.attacks.web_shell import web_shell
from deploy.demo.city import CITY, COUNCIL, POWERSHELL_EXE, SCHOOL, TRUST, WINDOWS, Organisation
from deploy.demo.office import Line, windows_day
from deploy.demo.services import audit_day, cloud_day, firewall_day, linux_day, web_day
from deploy.demo.timeline import LAP_SECONDS

DAY_SECONDS = 8 * 3600
SAMPLES = Path(__file__).parent / "samples"

_Day = Callable[[random.Random, Organisation, int, float, float], Iterator[Line]]
_DAYS: Mapping[str, _Day] = {
    "windows": windows_day,
    "firewall": firewall_day,
    "web": web_day,
    "aws": cloud_day,
    "linux": linux_day,
    "auditd": audit_day,
}
COUNTS: Mapping[str, Mapping[str, int]] = {
    "council": {"windows": 1000, "firewall": 320, "web": 300, "aws": 140},
    "nhstrust": {"windows": 800, "linux": 340, "auditd": 220},
    "school": {"windows": 520, "firewall": 240, "web": 240},
}
"""Ordinary lines of a day, by tenant and source."""
LIVE_SHARE = 5
"""A lap of `live` holds this many times fewer lines than the day."""


def build() -> dict[str, dict[tuple[str, str], list[Line]]]:
    """Part to tenant and source to lines; the same at each call."""
    return {
        "ordinary": _with_oddities(_days("ordinary", 1, -float(DAY_SECONDS), -1.0)),
        "attacks": _attacks(),
        "live": _days("live", LIVE_SHARE, 0.0, LAP_SECONDS - 1.0),
    }


def _days(part: str, share: int, start: float, end: float) -> dict[tuple[str, str], list[Line]]:
    made = {}
    for organisation in CITY:
        for source, count in COUNTS[organisation.tenant].items():
            seed = f"{part}/{organisation.tenant}/{source}"
            rng = random.Random(seed)  # noqa: S311 - samples must come out the same each time
            day = _DAYS[source](rng, organisation, count // share, start, end)
            made[organisation.tenant, source] = list(day)
    return made


def _with_oddities(days: dict[tuple[str, str], list[Line]]) -> dict[tuple[str, str], list[Line]]:
    """Add what is harmless and still asks for a look, as every real day does."""
    operator, clerk = COUNCIL.desk("a.okafor"), SCHOOL.desk("g.winslow")
    deployment = "powershell.exe -NoProfile -EncodedCommand RwBlAHQALQBTAGUAcgB2AGkAYwBlAA=="
    archive = "7z.exe a -pLetter26 Governors.7z C:\\Users\\g.winslow\\Documents\\Governors"
    shell = "r.nilsson : TTY=pts/1 ; PWD=/opt/lab ; USER=root ; COMMAND=/bin/bash"
    days["council", "windows"].append((
        -19_400.0,
        lines.process(
            operator.host, operator.user, POWERSHELL_EXE, deployment, WINDOWS + "cmd.exe"
        ),
    ))  # fmt: skip
    days["school", "windows"].append((
        -20_200.0,
        lines.process(
            clerk.host, clerk.user, "C:\\Program Files\\7-Zip\\7z.exe", archive, WINDOWS + "cmd.exe"
        ),
    ))  # fmt: skip
    days["nhstrust", "linux"].append((
        -12_600.0, lines.syslog(TRUST.host("lab01"), "sudo", shell, priority=85, pid=2207)
    ))  # fmt: skip
    return days


def _attacks() -> dict[tuple[str, str], list[Line]]:
    joined: dict[tuple[str, str], list[Line]] = {}
    for script in (supplier(), ransomware(), web_shell()):
        for place, said in script.lines.items():
            joined.setdefault(place, []).extend(said)
    return joined


def files() -> dict[str, str]:
    """Every sample file's path below the folder, and its text: seconds, a tab, the line."""
    return {
        f"{part}/{tenant}.{source}.tsv": "".join(f"{at:.3f}\t{line}\n" for at, line in sorted(said))
        for part, sources in build().items()
        for (tenant, source), said in sources.items()
    }


def write(folder: Path = SAMPLES) -> None:
    """Write all files."""
    for name, text in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
