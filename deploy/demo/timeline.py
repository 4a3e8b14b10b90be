"""The sample logs: lines with a time relative to the first start, and how they get a real one."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from importlib.resources.abc import Traversable

PARTS = ("ordinary", "attacks", "live")
"""The hours before the first start, the attacks among them, and what repeats from then on."""
LAP_SECONDS = 1800
"""The length of `live`, which is played again and again."""
LAPS_A_DAY = 24 * 3600 // LAP_SECONDS

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # noqa: SIM905 - reads better
_PLACE = re.compile(r"\{time:(\w+)\}")
_FORMS: Mapping[str, Callable[[datetime], str]] = {
    "iso": lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z",
    "seconds": lambda moment: f"{moment:%Y-%m-%dT%H:%M:%SZ}",
    "sysmon": lambda moment: f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03}",
    "access": lambda moment: f"{moment:%d}/{_MONTHS[moment.month - 1]}/{moment:%Y:%H:%M:%S} +0000",
    "epoch": lambda moment: f"{moment.timestamp():.3f}",
}


@dataclass(frozen=True, order=True)
class Sample:
    """One line of one source."""

    at: float
    """Seconds after the first start; before it, negative."""
    name: str
    """`attacks/council.windows:12`, the same for ever."""
    tenant: str
    source: str
    body: str
    """The line, with `{time:…}` and `{id}` still to be filled in."""

    def render(self, start: datetime, lap: int = 0) -> bytes:
        """The line with the time it has in this lap when the first start was at `start`."""
        seconds = self.at + lap * LAP_SECONDS
        moment = start.astimezone(UTC) + timedelta(seconds=seconds)
        text = _PLACE.sub(lambda place: _FORMS[place[1]](moment), self.body)
        return text.replace("{id}", f"{self.name}+{lap}").encode()


def load(*parts: str) -> list[Sample]:
    """All samples of these parts, in the order of their times."""
    return sorted(sample for part in parts for sample in _part(part))


def _part(part: str) -> Iterable[Sample]:
    folder = files("deploy.demo").joinpath("samples", part)
    for file in folder.iterdir():
        if file.name.endswith(".tsv"):
            yield from _file(part, file)


def _file(part: str, file: Traversable) -> Iterable[Sample]:
    stem = file.name.removesuffix(".tsv")
    tenant, _, source = stem.partition(".")
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
        at, _, body = line.partition("\t")
        yield Sample(float(at), f"{part}/{stem}:{number}", tenant, source, body)
