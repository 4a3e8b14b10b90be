"""Correlations over files: matches go in as they are found, what came true comes out at the end."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from detection.records import Event
from detection.sigma.correlate import Correlator, Found, values_of, wanted_fields
from rules.correlations import Correlation

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Correlated:
    """One pass over files with one set of correlations."""

    def __init__(self, correlations: Sequence[Correlation]) -> None:
        self._wanted = wanted_fields(correlations)
        self._correlator = Correlator(correlations, evicted=self._forgotten)
        self._files: list[str] = []
        self._time = 0
        self._timeless = 0
        self._evicted = 0

    def begin(self, path: str) -> None:
        """What comes now is of this file."""
        self._files.append(path)
        self._time = 0

    def add(self, rule: str, event: Event) -> None:
        """A rule matched an event; one without a time takes that of the match before it."""
        if rule not in self._wanted or event.fields is None:
            return
        moment = event.time
        if moment is None:
            self._timeless += 1
        else:
            self._time = (moment - EPOCH) // MICROSECOND
        name = f"{len(self._files) - 1:06}/{event.number:012}"
        fields = values_of(event.fields, self._wanted[rule])
        self._correlator.add(rule, name, self._time, fields)

    def close(self) -> list[dict[str, Any]]:
        """What came true: a match each, in the order of the events that they end with."""
        found = sorted(self._correlator.close(), key=_order)
        return [self._match(each) for each in found]

    def remarks(self) -> list[str]:
        """What whoever reads the matches should know."""
        remarks: list[str] = []
        if self._timeless:
            remarks.append(
                f"{self._timeless} matches of rules in correlations are of events without a time;"
                " each took that of the match before it in its file"
            )
        if self._evicted:
            remarks.append(f"{self._evicted} matches were too many for correlations to keep")
        return remarks

    def _match(self, found: Found) -> dict[str, Any]:
        places = [hit.event.split("/") for hit in found.hits]
        files = [self._files[int(file)] for file, _ in places]
        numbers = [int(number) for _, number in places]
        info = found.correlation.info
        match = {
            "file": files[-1],
            "event": numbers[-1],
            "rule": info.id,
            "title": info.title,
            "level": info.level,
            "events": numbers,
        }
        if len(set(files)) > 1:
            match["files"] = files
        return match

    def _forgotten(self, hits: int) -> None:
        self._evicted += hits


def _order(found: Found) -> tuple[str, str, tuple[str, ...], int]:
    bucket = found.bucket
    return found.hits[-1].event, bucket.correlation, bucket.group, bucket.start
