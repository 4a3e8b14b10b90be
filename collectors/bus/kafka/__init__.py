"""The bus of many hosts: Apache Kafka behind the same contract as the embedded one."""

from collectors.bus.kafka.bus import KafkaBus
from collectors.bus.kafka.settings import KafkaSettings

__all__ = ["KafkaBus", "KafkaSettings"]
