"""How to reach a Kafka cluster, and what to ask of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Security = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"]


@dataclass(frozen=True, kw_only=True)
class KafkaSettings:
    """A cluster and our place in it. Secrets are read from files when a client connects."""

    servers: str
    """Brokers to ask first, `host:port,host:port`."""
    prefix: str = ""
    """What the names of our topics and groups begin with, on a cluster that others use too."""
    security: Security = "PLAINTEXT"
    mechanism: Mechanism = "SCRAM-SHA-512"
    user: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    """Authorities that the brokers' certificates must come from; the system's where left out."""
    certificate_file: Path | None = None
    """Our own certificate, where brokers ask for one."""
    key_file: Path | None = None
    replication: int = 1
    """Copies of every topic; a write needs all but one of them."""
    buffer_bytes: int = 32 * 1024 * 1024
    """Bytes that a producer holds until it is flushed."""
    lease: float = 60.0
    """Seconds without a poll after which a member gives up its partitions."""
    session: float = 10.0
    """Seconds without a heartbeat after which a member counts as dead."""
    look: float = 1.0
    """Seconds between looks for new topics and partitions."""
    wait: float = 10.0
    """Seconds to wait for a broker before it counts as overload."""

    def client(self) -> Mapping[str, Any]:
        """What every kafka-python client takes. Raises OSError for a secret that can't be read."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.servers.split(","),
            "bootstrap_timeout_ms": int(self.wait * 1000),
            "request_timeout_ms": int(self.wait * 1000),
            "reconnect_backoff_max_ms": 1000,
            "metadata_max_age_ms": int(self.look * 1000),
            "security_protocol": self.security,
            "ssl_cafile": self.ca_file and str(self.ca_file),
            "ssl_certfile": self.certificate_file and str(self.certificate_file),
            "ssl_keyfile": self.key_file and str(self.key_file),
        }
        if self.security.startswith("SASL"):
            if self.password_file is None:
                raise ValueError(f"{self.security} needs a user and a password_file")
            options |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password_file.read_text().strip(),
            }
        return options
