"""Models on their way to disk and back: what the night fitted, what an operator goes back to."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec
import structlog

from collectors.bus.contract import Malformed
from detection.anomaly.artefacts import KEPT, Artefacts, Manifest
from detection.anomaly.model import Model
from detection.anomaly.nights import Compared, Fitted
from detection.anomaly.prior import Habits, Prior, decode_habits, decode_prior, encode, lend
from detection.anomaly.profile import Profile, schema

log = structlog.get_logger()

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Model).decode


HABITS: Final = "habits"
PRIOR: Final = "prior"
"""Kinds of artefacts beside models: what a tenant could lend, and what was lent to it."""


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One model as an operator sees it."""

    profile: str
    version: str
    in_force: bool
    learned_up_to: str
    """Day of event time."""
    windows: int
    entities: int
    went_live: bool
    """Whether it did when it was made, or was refused beside the one before."""
    compared: dict[str, float]
    """Windows of its last day that the one before and it find unusual, and rank correlation."""
    scikit_learn: str
    sha256: str


class Shelf:
    """The models of every tenant."""

    def __init__(self, artefacts: Artefacts) -> None:
        self.artefacts = artefacts
        self._habits = artefacts.beside(HABITS, 1)
        self._priors = artefacts.beside(PRIOR, KEPT)

    def put(
        self, tenant: str, profile: Profile, fitted: Fitted, *, contributes: bool = True
    ) -> None:
        """Keep a model; where it went live, it is the one in force, and its habits can be lent.

        A tenant that does not contribute has none.
        """
        model, compared = fitted.model, fitted.compared
        manifest = msgspec.structs.replace(
            _manifest(tenant, profile, fitted.version, model.made, model.windows),
            entities=model.peers + 1,
            compared=_numbers(compared),
            live=fitted.live,
        )
        self.artefacts.save(manifest, _encode(model))
        if fitted.live:
            self.artefacts.put_in_force(tenant, profile.name, fitted.version)
        if not contributes:
            self._habits.withdraw(tenant, profile.name)
        elif fitted.live and fitted.habits is not None:
            manifest = _manifest(tenant, profile, fitted.version, model.made, model.windows)
            self._habits.save(manifest, encode(fitted.habits))
            self._habits.put_in_force(tenant, profile.name, fitted.version)

    def lend(self, tenant: str, profile: Profile, lenders: Iterable[str]) -> Prior | None:
        """What these others have in common, kept for a tenant; None where they are too few."""
        found = [self._habits_of(each, profile) for each in sorted(set(lenders) - {tenant})]
        habits = [each for each in found if each is not None]
        prior = lend(habits)
        if prior is not None:
            made = max(each.made for each in habits)
            manifest = _manifest(tenant, profile, prior.version, made, prior.windows)
            self._priors.save(manifest, encode(prior))
            self._priors.put_in_force(tenant, profile.name, prior.version)
        return prior

    def lent(self, tenant: str, profile: Profile, version: str) -> Prior:
        """What was lent to a tenant. Raises Malformed where it can't be trusted."""
        _, content = self._priors.load(tenant, profile.name, version)
        try:
            return decode_prior(content)
        except ValueError as error:
            raise Malformed(f"{profile.name} {version}: {error}") from error

    def _habits_of(self, tenant: str, profile: Profile) -> Habits | None:
        """None where there are none, or none that can be trusted and compared."""
        try:
            version = self._habits.in_force(tenant, profile.name)
            content = self._habits.load(tenant, profile.name, version)[1] if version else None
            habits = None if content is None else decode_habits(content)
        except (Malformed, ValueError) as error:
            log.warning("habits_left_aside", tenant=tenant, reason=str(error))
            return None
        return habits if habits is not None and habits.schema == schema(profile) else None

    def profiles(self, tenant: str) -> list[str]:
        """Those that a tenant has models of."""
        return list(self.artefacts.profiles(tenant))

    def versions(self, tenant: str, profile: str) -> list[Version]:
        """The newest first."""
        in_force = self.artefacts.in_force(tenant, profile)
        return [
            Version(
                profile=profile,
                version=each.version,
                in_force=each.version == in_force,
                learned_up_to=each.day,
                windows=each.windows,
                entities=each.entities,
                went_live=each.live,
                compared=each.compared,
                scikit_learn=each.scikit_learn,
                sha256=each.sha256,
            )
            for each in self.artefacts.versions(tenant, profile)
        ]

    def take(self, tenant: str, profile: Profile, version: str) -> Model:
        """One model. Raises Malformed where it can't be trusted, or is of other facets."""
        manifest, content = self.artefacts.load(tenant, profile.name, version)
        if manifest.schema != schema(profile):
            raise Malformed(f"{profile.name} {version}: learned from other facets than it has now")
        try:
            return _decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Malformed(f"{profile.name} {version}: expected a model: {error}") from error


def _manifest(tenant: str, profile: Profile, version: str, made: float, windows: int) -> Manifest:
    return Manifest(
        tenant=tenant,
        profile=profile.name,
        version=version,
        day=f"{datetime.fromtimestamp(made, UTC):%Y-%m-%d}",
        schema=schema(profile),
        windows=windows,
        entities=0,
    )


def _numbers(compared: Compared | None) -> dict[str, float]:
    if compared is None:
        return {}
    before, tonight = float(compared.before), float(compared.tonight)
    return {"before": before, "tonight": tonight, "agreement": compared.agreement}
