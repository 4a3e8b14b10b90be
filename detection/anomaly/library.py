"""The profiles that come with citysoc, found by folder, and which events each of them watches."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import yaml

from collectors.bus.contract import Malformed
from collectors.fields import normalised
from collectors.logsource import LogSource
from detection.anomaly.profile import Profile, read

KINDS = {"host": "host", "user": "user", "address": "ip"}
"""What a profile's kind is called in events, alerts and the queue."""
ALERTS = LogSource.parse("citysoc//alerts")
"""The log source that alerts of rules are watched as."""


class Watched(NamedTuple):
    """A profile and its log source."""

    profile: Profile
    logsource: LogSource

    def sees(self, logsources: Sequence[LogSource]) -> bool:
        """Whether an event of these log sources is one of the profile's."""
        return any(each.serves(self.logsource) for each in logsources)

    def name_of(self, entity: str) -> str | None:
        """An entity's one spelling, the same as rules' alerts have; None where it names nobody."""
        names = normalised(KINDS[self.profile.kind], entity)
        return names[0] if names else None


@cache
def library() -> tuple[Watched, ...]:
    """Every profile, by name. Raises Malformed, which names the file, where one is none."""
    folder = files("detection.anomaly").joinpath("profiles")
    found = [each for each in folder.iterdir() if each.name.endswith(".yml")]
    return tuple(
        _watch(each.name.removesuffix(".yml"), each.read_bytes())
        for each in sorted(found, key=lambda one: one.name)
    )


def _watch(name: str, text: bytes) -> Watched:
    try:
        written = yaml.safe_load(text)
        logsource = LogSource.parse(written.pop("logsource"))
        return Watched(read(yaml.safe_dump(written, sort_keys=False).encode(), name), logsource)
    except (KeyError, AttributeError, ValueError) as error:
        raise Malformed(
            f"profiles/{name}.yml: expected a profile with a logsource: {error}"
        ) from error
