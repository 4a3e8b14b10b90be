"""kafka-python checksums each record, in C where it can: its Python takes a thousand times it."""

from crc32c import crc32c
from kafka.record import util


def test_checksums_are_made_in_c() -> None:
    assert util._crc32c is crc32c
