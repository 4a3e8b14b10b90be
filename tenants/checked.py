"""What people give by hand, checked before it is kept."""

from collections.abc import Sequence
from ipaddress import ip_network

from tenants.access import Invalid

MAX_SENDERS = 200


def checked_text(value: str, expected: str, limit: int) -> str:
    """One line of text without control characters, 1 to `limit` characters. Raises Invalid."""
    value = " ".join(value.split())
    if not value or len(value) > limit or not value.isprintable():
        raise Invalid(f"{value[:80]!r} can't be used", f"{expected}, 1 to {limit} characters")
    return value


def checked_senders(senders: Sequence[str]) -> tuple[str, ...]:
    """Networks in their plain form, each once. Raises Invalid."""
    if not 1 <= len(senders) <= MAX_SENDERS:
        raise Invalid(f"{len(senders)} senders", f"1 to {MAX_SENDERS} addresses or networks")
    networks = []
    for sender in senders:
        try:
            networks.append(str(ip_network(sender, strict=False)))
        except ValueError as error:
            raise Invalid(
                f"{sender[:80]!r} is no address", "such as 192.0.2.7 or 192.0.2.0/24"
            ) from error
    return tuple(dict.fromkeys(networks))
