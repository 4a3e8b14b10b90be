"""What was learned of one organisation, from what, and what is kept of it: for people to read."""

from datetime import date
from typing import Final

import msgspec

from deploy.behaviour import open_shelf
from deploy.installation_key import FOLDER
from deploy.settings import Settings
from detection.anomaly.checkpoint import CheckpointFiles
from detection.anomaly.library import library
from detection.anomaly.model import Model
from detection.anomaly.profile import Profile
from detection.anomaly.shelf import Version
from detection.anomaly.tenant import Kept, KeptProfile, to_bytes
from detection.anomaly.views import VIEWS

EPOCH: Final = date(1970, 1, 1).toordinal()
NEVER: Final = (
    "Never shared with other organisations: names of hosts, users or addresses, values of any "
    "field, counts, models. Lent to others' first day, where the organisation contributes: digests "
    "of values that two other contributors show too, and in two digits how the scores of at least "
    "three together are spread. Erased with the organisation, and by evicting what is long silent."
)


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """One profile."""

    profile: str
    watches: str
    """Whose behaviour, and by which field."""
    counts: list[str]
    """The facets, by their fields."""
    entities: int
    windows: int
    in_force: str
    """The version that judges now, empty while it is still learning."""
    held: bool
    """Whether an operator went back to it and holds it there."""
    models: list[Version]
    split: dict[str, float]
    """Each view's part of the budget, as verdicts have moved it; empty without a model."""
    first_day: str
    """The version of what others lend to its first day; empty when that is over, or nothing was."""


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A model card."""

    tenant: str
    budget: float
    """Alerts a day at most."""
    alerts_by_day: dict[str, int]
    """What each day has really cost."""
    contributes: bool
    learned: list[Learned]
    bytes_kept: int
    off: list[str]
    """Views that raise no alerts here."""
    data_protection: str = NEVER


def model_card(settings: Settings, tenant: str) -> Card:
    """From what is on disk; the running stage writes it every few minutes of the log."""
    files = CheckpointFiles(settings.data / FOLDER / "state")
    kept = files.load(tenant) or Kept(tenant)
    shelf = open_shelf(settings)
    profiles = {each.profile.name: each.profile for each in library()}
    return Card(
        tenant=tenant,
        budget=settings.anomaly.budget(tenant),
        alerts_by_day={_day(day): count for day, count in kept.ledger.opened().items()},
        contributes=settings.anomaly.of(tenant).contributes,
        learned=[
            _learned(profiles[name], found, shelf.versions(tenant, name))
            for name, found in sorted(kept.profiles.items())
            if name in profiles
        ],
        bytes_kept=len(to_bytes(kept)),
        off=kept.off,
    )


def _learned(profile: Profile, kept: KeptProfile, models: list[Version]) -> Learned:
    watch = kept.watch
    return Learned(
        profile=profile.name,
        watches=f"{profile.kind} by {profile.entity}",
        counts=[f"{each.name}: {' + '.join(each.fields)}" for each in profile.facets],
        entities=len(watch.state.entities) if watch else 0,
        windows=watch.count if watch else 0,
        in_force=kept.nights.version,
        held=kept.nights.held,
        models=models,
        split=_split(watch.model) if watch and watch.model else {},
        first_day=watch.prior.version if watch and watch.prior else "",
    )


def _split(model: Model) -> dict[str, float]:
    return {view: round(share, 3) for view, share in zip(VIEWS, model.shares, strict=True)}


def _day(number: int) -> str:
    return date.fromordinal(EPOCH + number).isoformat()
