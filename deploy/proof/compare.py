"""What should have matched, what did, and whether the two are the same."""

import hashlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from collectors.bus.contract import Bus, Record
from collectors.sources.files import read_events
from detection.signal import Signal

Matches = Counter[tuple[str, str, str]]
"""(source, digest of the event's own fields, rule) and how often."""


def digest(fields: Mapping[str, Any]) -> str:
    """The event's content, whoever carried it."""
    return hashlib.blake2b(json.dumps(fields, sort_keys=True).encode(), digest_size=12).hexdigest()


def read_digests(path: Path) -> Sequence[str]:
    """The digest of each record of a file, in order."""
    return [digest(record.fields or {}) for record in read_events(str(path))]


def expected_matches(files: Mapping[str, Path], rules: Sequence[Path]) -> Matches:
    """What `citysoc detect` finds in the files, by source name."""
    names = {str(path): (source, read_digests(path)) for source, path in files.items()}
    command = [sys.executable, "-m", "deploy", "detect"]
    for rule in rules:
        command += ["--rules", str(rule)]
    done = subprocess.run(  # noqa: S603 – our own command
        [*command, *names], capture_output=True, text=True, check=True
    )
    matches: Matches = Counter()
    for line in done.stdout.splitlines():
        match = json.loads(line)
        source, digests = names[match["file"]]
        matches[source, digests[match["event"]], match["rule"]] += 1
    return matches


class SignalReader:
    """Reads every signal as it appears, and counts those that come again."""

    def __init__(self, bus: Bus) -> None:
        self._consumer = bus.consumer("proof", "signals.")
        self.signals: dict[str, Signal] = {}
        self.again = 0

    def read(self, timeout: float) -> int:
        """Take what is there; returns how many signals of it were seen before."""
        records = self._consumer.poll(timeout)
        before = self.again
        for signal in _signals(records):
            if signal.id in self.signals:
                self.again += 1
            else:
                self.signals[signal.id] = signal
        return self.again - before

    def read_to_the_end(self) -> None:
        """Take everything that stands in the log now."""
        while any(lag.records for lag in self._consumer.lag().values()) or self.read(0.2):
            self.read(0.2)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()


def _signals(records: Iterable[Record]) -> Iterable[Signal]:
    import msgspec

    decoder = msgspec.json.Decoder(Signal)
    for record in records:
        for line in record.value.splitlines():
            yield decoder.decode(line)


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
