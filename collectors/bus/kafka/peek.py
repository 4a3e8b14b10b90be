"""Looking at single records, outside any group."""

from collections.abc import Iterator, Mapping
from time import monotonic
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from collectors.bus.contract import Overloaded
from collectors.bus.kafka.client import connected
from collectors.bus.kafka.reach import reaching
from collectors.bus.kafka.settings import KafkaSettings


class Peek:
    """A reader that joins no group and stores nothing. Not shared between threads."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._reader: KafkaConsumer | None = None
        self._times: dict[tuple[TopicPartition, int], float] = {}

    def times(self, places: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, float]:
        """When the bus took the record at each offset, Unix seconds. Raises Overloaded."""
        wanted = {(place, offset) for place, offset in places.items()}
        self._times = {key: taken for key, taken in self._times.items() if key in wanted}
        unknown = dict(wanted - self._times.keys())
        for place, records in self._read(unknown):
            self._times[place, unknown[place]] = records[0].timestamp / 1000
        return {place: taken for (place, _), taken in self._times.items()}

    def sizes(self, place: TopicPartition, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Offset and bytes of value of each record in between. Raises Overloaded."""
        while start < end:
            for _, records in self._read({place: start}):
                for record in records:
                    if start <= record.offset < end:
                        yield record.offset, len(record.value or b"")
                start = records[-1].offset + 1

    def close(self) -> None:
        """Let go of the connection."""
        if self._reader is not None:
            self._reader.close(autocommit=False)
            self._reader = None

    def _read(self, places: Mapping[TopicPartition, int]) -> Iterator[tuple[TopicPartition, Any]]:
        """The records found first from each of these offsets on."""
        if not places:
            return
        left = dict(places)
        with reaching("read a record"):
            reader = self._connected()
            reader.assign(list(left))
            reader.resume(*left)  # what was paused last time stays so through assign
            for place, offset in left.items():
                reader.seek(place, offset)
            deadline = monotonic() + self._settings.wait
            while left:
                if monotonic() > deadline:
                    raise Overloaded(f"Kafka did not show {len(left)} records in time")
                found = reader.poll(timeout_ms=200, max_records=10_000)
                for place in found.keys() & left.keys():
                    del left[place]
                    reader.pause(place)
                    yield place, found[place]

    def _connected(self) -> KafkaConsumer:
        if self._reader is None:
            self._reader = connected(
                KafkaConsumer,
                **self._settings.client(),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                metrics_enabled=False,
            )
        return self._reader
