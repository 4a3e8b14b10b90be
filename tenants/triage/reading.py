"""Alerts as they stand on the bus, read so that every database can keep them."""

from typing import Any

import msgspec

from collectors.codec import dumps, loads
from detection.alert import Alert

MOST = (1 << 53) - 1
"""As far as every reader of JSON counts; databases add up many of these without running over."""

_decode = msgspec.json.Decoder(Alert).decode


def read_alert(line: bytes, tenant: str) -> Alert:
    """One line of `alerts.<tenant>`.

    Text loses what no database keeps (NUL, lone surrogates: U+FFFD stands for them); the bodies
    of events stay as they are. Raises ValueError where it is no alert, version 1, of the tenant.
    """
    alert = _read(line)
    if alert.v != 1:
        raise ValueError(f"expected an alert of version 1, got {alert.v}")
    if alert.tenant != tenant:
        raise ValueError(f"expected an alert of tenant {tenant!r}, got one of {alert.tenant!r}")
    if not (len(alert.id) == 32 and alert.id.isascii() and alert.id.isalnum()):
        raise ValueError(f"expected an id of 32 hex digits, got {alert.id[:40]!r}")
    if not (0 <= alert.revision <= MOST and 0 <= alert.count <= MOST):
        raise ValueError(
            f"expected a revision and a count from 0 to {MOST}, "
            f"got {str(alert.revision)[:40]} and {str(alert.count)[:40]}"
        )
    return alert


def _read(line: bytes) -> Alert:
    if b"\\u0000" not in line:
        try:
            return _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass  # the lenient way below says what is wrong, if anything is
    value = loads(line)
    bodies = value.pop("bodies", ()) if isinstance(value, dict) else ()
    try:
        alert = msgspec.convert(_legible(value), Alert)
    except msgspec.ValidationError as error:
        raise ValueError(f"expected an alert: {error}") from error
    raw = tuple(msgspec.Raw(dumps(body)) for body in bodies)
    return msgspec.structs.replace(alert, bodies=raw)


def _legible(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    if isinstance(value, list):
        return [_legible(element) for element in value]
    if isinstance(value, dict):
        return {_legible(key): _legible(member) for key, member in value.items()}
    return value
