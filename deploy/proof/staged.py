"""Lines made for the proof: attacks and a silence of yesterday, which correlations must find."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deploy.proof.streams import Stream
from detection.alert import Alert
from detection.live import WITHDRAWN
from detection.policy import QUIET_LEVELS

STAGED = Stream(file="staged.log", tenant="school", kind="linux", body="syslog")
GUESSED, UNLUCKY, COMPUTER = "203.0.113.66", "198.51.100.7", "lx-staged"

Findings = Counter[tuple[str, int]]
"""(correlation, number of its events) and how often."""


def write_staged(folder: Path, today: datetime) -> Path:
    """Lines of two days ago, counted from midnight, so that every run has the same but the date.

    They are out of order, always in the same way: what comes late must count as well.
    """
    midnight = today.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    lines = sorted(_lines(midnight - timedelta(days=2)), key=lambda line: line[::-1])
    path = folder / STAGED.file
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def told(findings: Iterable[tuple[str, str, int]]) -> Findings:
    """What `citysoc detect` found: (correlation, level, number of events); quiet ones alert not."""
    return Counter((rule, count) for rule, level, count in findings if level not in QUIET_LEVELS)


def seen(alerts: Iterable[Alert], correlations: Iterable[str]) -> Findings:
    """What the running system says, of what it still holds to be true."""
    known = set(correlations)
    return Counter(
        (alert.rule, alert.count)
        for alert in alerts
        if alert.rule in known
        and alert.sources == (STAGED.source,)
        and WITHDRAWN not in alert.marks
    )


def _lines(day: datetime) -> Iterator[str]:
    cron = "(root) CMD (cd / && run-parts --report /etc/cron.hourly)"
    for hour in [*range(10), *range(15, 26)]:
        yield _line(day + timedelta(hours=hour, minutes=17), 78, "CRON", cron)
    for address, failures in ((GUESSED, 25), (UNLUCKY, 19)):
        for number in range(failures):
            yield _sshd(day + timedelta(hours=3, seconds=10 * number), "Failed", address)
        yield _sshd(day + timedelta(hours=3, minutes=50), "Accepted", address)


def _sshd(at: datetime, word: str, address: str) -> str:
    return _line(at, 38, "sshd", f"{word} password for root from {address} port 50122 ssh2")


def _line(at: datetime, priority: int, program: str, message: str) -> str:
    return f"<{priority}>1 {at:%Y-%m-%dT%H:%M:%SZ} {COMPUTER} {program} - - - {message}"
