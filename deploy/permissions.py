"""What citysoc may do on servers that others run too: shown, and brought to what it needs."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from deploy import wiring
from deploy.settings import Settings, Unset
from tenants.database import Database


def kafka_permissions(
    settings: Settings, *, user: str, password_file: Path | None, apply: bool
) -> Iterator[str]:
    """One line a permission that is missing, surplus or strange, then a summary.

    Signs in as `user`, who may change permissions; else as the settings say. With `apply`, gives
    what is missing and takes what is surplus. Raises Unset, and what Access raises.
    """
    from collectors.bus.kafka.access import Access, Survey
    from collectors.bus.kafka.settings import KafkaSettings

    kafka = settings.bus.kafka
    if kafka is None:
        raise Unset("bus.kafka: not set, and the embedded bus has no permissions of its own")
    values = kafka.model_dump()
    if user:
        values |= {"user": user, "password_file": password_file}
    registry = wiring.open_registry(settings)
    with contextlib.closing(Access(KafkaSettings(**values))) as access:
        tenants = list(registry.tenants())
        found: Survey = access.bring(tenants) if apply else access.survey(tenants)
    done = {"missing": "given", "surplus": "taken"} if apply else {}
    for kind in ("missing", "surplus", "strange"):
        for grant in getattr(found, kind):
            reach = f"{grant.name}*" if grant.prefixed else grant.name
            word = done.get(kind, kind)
            yield f"{word:8} {grant.principal:28} {grant.operation:14} {grant.resource} {reach}"
    yield (
        f"{len(found.right)} right, {len(found.missing)} {done.get('missing', 'missing')}, "
        f"{len(found.surplus)} {done.get('surplus', 'surplus')}, {len(found.strange)} strange"
    )


def admit_role(owner_url_file: Path, role: str) -> None:
    """Bring PostgreSQL's tables up to date as their owner, and let a role work with them.

    Raises Unset for a file that can't be read, Overloaded where the server can't do it.
    """
    database = Database.open(wiring.secret_in(owner_url_file))
    try:
        database.admit(role)
    finally:
        database.close()
