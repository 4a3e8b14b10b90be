"""What should have matched, what did, and whether the two are the same."""

import hashlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from collectors.bus.contract import Bus, Consumer, Record
from collectors.sources.files import read_events
from deploy.proof.patience import insist
from detection.alert import Alert
from detection.signal import Signal

Matches = Counter[tuple[str, str, str]]
"""(source, digest of the event's own fields, rule) and how often."""


def digest(fields: Mapping[str, Any]) -> str:
    """The event's content, whoever carried it."""
    return hashlib.blake2b(json.dumps(fields, sort_keys=True).encode(), digest_size=12).hexdigest()


def read_digests(path: Path) -> Sequence[str]:
    """The digest of each record of a file, in order."""
    return [digest(record.fields or {}) for record in read_events(str(path))]


class Expected(NamedTuple):
    """What `citysoc detect` finds."""

    matches: Matches
    findings: Mapping[str, Sequence[tuple[str, str, int]]]
    """Per source, of each finding of a correlation: its id, level and number of events."""


def expected_matches(files: Mapping[str, Path], rules: Sequence[Path]) -> Expected:
    """What `citysoc detect` finds in the files, by source name."""
    names = {str(path): (source, read_digests(path)) for source, path in files.items()}
    command = [sys.executable, "-m", "deploy", "detect"]
    for rule in rules:
        command += ["--rules", str(rule)]
    done = subprocess.run(  # noqa: S603 – our own command
        [*command, *names], capture_output=True, text=True, check=True
    )
    matches: Matches = Counter()
    findings: dict[str, list[tuple[str, str, int]]] = {}
    for line in done.stdout.splitlines():
        match = json.loads(line)
        source, digests = names[match["file"]]
        if "events" in match:
            finding = match["rule"], match["level"], len(match["events"])
            findings.setdefault(source, []).append(finding)
        else:
            matches[source, digests[match["event"]], match["rule"]] += 1
    return Expected(matches, findings)


class SignalReader:
    """Reads every signal as it appears, and counts those that come again."""

    def __init__(self, bus: Bus) -> None:
        self._consumer = bus.consumer("proof", "signals.")
        self.signals: dict[str, Signal] = {}
        self.again = 0

    def read(self, timeout: float) -> int:
        """Take what is there; returns how many records that were."""
        records = insist(lambda: self._consumer.poll(timeout))
        for line in _lines(records):
            signal = _decode_signal(line)
            if signal.id in self.signals:
                self.again += 1
            else:
                self.signals[signal.id] = signal
        return len(records)

    def read_to_the_end(self) -> None:
        """Take everything that stands in the log now."""
        while self.read(0.5) or _behind(self._consumer):
            pass

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()


def _behind(consumer: Consumer) -> bool:
    return any(lag.records for lag in insist(consumer.lag).values())


def read_alerts(bus: Bus) -> Sequence[Alert]:
    """The last amendment of every alert."""
    consumer = bus.consumer("proof-alerts", "alerts.")
    last: dict[str, Alert] = {}
    deadline = time.monotonic() + 10
    while not consumer.assigned() and time.monotonic() < deadline:
        consumer.poll(0.1, 0)
    while (records := insist(lambda: consumer.poll(0.5))) or _behind(consumer):
        for line in _lines(records):
            alert = _decode_alert(line)
            if alert.id not in last or last[alert.id].revision <= alert.revision:
                last[alert.id] = alert
    consumer.close()
    return list(last.values())


_decode_signal = msgspec.json.Decoder(Signal).decode
_decode_alert = msgspec.json.Decoder(Alert).decode


def _lines(records: Iterable[Record]) -> Iterable[bytes]:
    for record in records:
        if record.kind == "events":
            yield from record.value.splitlines()


def one_hash(matches: Matches, alerts: Iterable[Alert], findings: Counter[tuple[str, int]]) -> str:
    """SHA-256 over sorted signals, alerts and findings, whatever random ids the events have."""
    lines = [f"{rule} {events} {n}" for (rule, events), n in findings.items()]
    lines += [f"{source} {content} {rule} {n}" for (source, content, rule), n in matches.items()]
    lines += [
        f"{a.tenant} {a.rule} {a.entity.kind} {a.entity.name} {a.hour} {a.count} {a.first} {a.last}"
        for a in alerts
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def actual_matches(signals: Iterable[Signal], contents: Mapping[str, str]) -> Matches:
    """What the running system said, by the content of the stored events (event id to digest)."""
    matches: Matches = Counter()
    for signal in signals:
        matches[signal.source, contents.get(signal.event, "not in search"), signal.rule] += 1
    return matches


def differences(expected: Matches, actual: Matches) -> Sequence[str]:
    """One line for each (source, rule) that differs, none where they are the same."""
    lost: Counter[tuple[str, str]] = Counter()
    added: Counter[tuple[str, str]] = Counter()
    for (source, _, rule), count in (expected - actual).items():
        lost[source, rule] += count
    for (source, _, rule), count in (actual - expected).items():
        added[source, rule] += count
    return [
        f"{source}: rule {rule}: {lost[source, rule]} missing, {added[source, rule]} too many"
        for source, rule in sorted(lost.keys() | added.keys())
    ]
