"""Models on their way to disk and back: what the night fitted, what an operator goes back to."""

from datetime import UTC, datetime

import msgspec

from collectors.bus.contract import Malformed
from detection.anomaly.artefacts import Artefacts, Manifest
from detection.anomaly.model import Model
from detection.anomaly.nights import Compared, Fitted
from detection.anomaly.profile import Profile, schema

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Model).decode


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

    def put(self, tenant: str, profile: Profile, fitted: Fitted) -> None:
        """Keep a model; where it went live, it is the one in force."""
        model, compared = fitted.model, fitted.compared
        day = datetime.fromtimestamp(model.made, UTC)
        self.artefacts.save(
            Manifest(
                tenant=tenant,
                profile=profile.name,
                version=fitted.version,
                day=f"{day:%Y-%m-%d}",
                schema=schema(profile),
                windows=model.windows,
                entities=model.peers + 1,
                compared=_numbers(compared),
                live=fitted.live,
            ),
            _encode(model),
        )
        if fitted.live:
            self.artefacts.put_in_force(tenant, profile.name, fitted.version)

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


def _numbers(compared: Compared | None) -> dict[str, float]:
    if compared is None:
        return {}
    before, tonight = float(compared.before), float(compared.tonight)
    return {"before": before, "tonight": tonight, "agreement": compared.agreement}
