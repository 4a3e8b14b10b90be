"""A Kafka broker that is its own controller, with an open listener and one with passwords."""

import signal
import socket
import struct
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deploy.local import jars, java
from deploy.local.contract import Unavailable
from deploy.local.place import Place

HEAP = "512m"
ADMINISTRATOR = "admin"
"""The user of the SASL listener who may do anything; its password is drawn for each folder."""
FORMAT_SECONDS = 60
API_VERSIONS = struct.pack(">hhih", 18, 0, 1, -1)
"""The one request that a broker answers to anybody: key 18, version 0, correlation 1, no client."""

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={listeners}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,\
SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.ssl.keystore.type=PEM
listener.name.sasl_ssl.ssl.keystore.location={certificate}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:{administrator}
allow.everyone.if.no.acl.found=false
log.dirs={data}
auto.create.topics.enable=false
# A killed broker may come back when its last life has timed out.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
num.network.threads=2
num.io.threads=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
log.retention.check.interval.ms=1000
log.segment.delete.delay.ms=1000
"""

LOGGING = """\
<Configuration status="WARN">
  <Appenders>
    <Console name="out"><PatternLayout pattern="%d{ISO8601} %p %c{1}: %m%n"/></Console>
  </Appenders>
  <Loggers>
    <Root level="INFO"><AppenderRef ref="out"/></Root>
    <Logger name="org.apache.kafka.common.config" level="WARN"/>
  </Loggers>
</Configuration>
"""


class Kafka:
    """The broker of one folder."""

    name = "kafka"
    stop_signal = signal.SIGTERM
    account: str | None = None

    def __init__(self, place: Place, *, lasting: bool) -> None:
        self._place = place
        self._lasting = lasting
        self._folder = place.folder / self.name
        self._properties = self._folder / "server.properties"

    @property
    def log(self) -> Path:
        """The broker's own log."""
        return self._folder / "kafka.log"

    def prepare(self) -> None:
        """Write the settings, and format the data folder unless it is."""
        data = self._folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        (self._folder / "log4j2.xml").write_text(LOGGING)
        self._properties.write_text(
            PROPERTIES.format(
                listeners=",".join(self._listeners()),
                certificate=self.certificate,
                controller=self._place.port("kafka_controller"),
                administrator=ADMINISTRATOR,
                data=data,
            )
        )
        if not (data / "meta.properties").exists():
            self._format()

    def command(self) -> Sequence[str]:
        """The broker's Java."""
        brief = () if self._lasting else (java.BRIEF,)
        return self._java(*brief, "kafka.Kafka", str(self._properties))

    def environment(self) -> Mapping[str, str]:
        """Nothing of its own."""
        return {}

    def ready(self) -> bool:
        """Whether it answers requests, which it does once its log is recovered."""
        address = ("127.0.0.1", self._place.port("kafka"))
        try:
            with socket.create_connection(address, timeout=1) as broker:
                broker.settimeout(1)
                broker.sendall(struct.pack(">i", len(API_VERSIONS)) + API_VERSIONS)
                return len(broker.recv(10)) == 10
        except OSError:
            return False

    def complete(self) -> None:
        """Nothing: topics are their users' business."""

    @property
    def certificate(self) -> Path:
        """Key (PKCS 8) and certificate in PEM; where the file is there, a third listener is too."""
        return self._folder / "tls.pem"

    def _listeners(self) -> Iterator[str]:
        yield f"PLAINTEXT://127.0.0.1:{self._place.port('kafka')}"
        yield f"SASL_PLAINTEXT://127.0.0.1:{self._place.port('kafka_sasl')}"
        if self.certificate.exists():
            yield f"SASL_SSL://127.0.0.1:{self._place.port('kafka_tls')}"

    def _format(self) -> None:
        scram = f"SCRAM-SHA-512=[name={ADMINISTRATOR},password={self._place.secret('kafka')}]"
        command = self._java(java.BRIEF, "kafka.tools.StorageTool", "format", "--ignore-formatted")
        command += ["--cluster-id", "Y2l0eXNvYy1sb2NhbC0wMQ", "--add-scram", scram]
        command += ["--config", str(self._properties)]
        done = subprocess.run(  # noqa: S603 – Kafka's own tool
            command, check=False, capture_output=True, text=True, timeout=FORMAT_SECONDS
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or ["nothing"]
            raise Unavailable(f"kafka could not format {self._folder}/data: {said[-1]}")

    def _java(self, *arguments: str) -> list[str]:
        return [
            str(java.executable()),
            f"-Xmx{HEAP}",
            "-XX:+UseParallelGC",
            f"-Dlog4j2.configurationFile={self._folder}/log4j2.xml",
            "-cp",
            f"{jars.folder()}/kafka/*",
            *arguments,
        ]
