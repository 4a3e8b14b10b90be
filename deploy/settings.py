"""What an operator may set: one YAML file, one frozen model a stage, unknown keys refused."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from detection.anomaly.calendar import breaks_of

IN_FORCE = "settings.in-force.yml"
"""In the data folder: what the stages that run there were started with."""
LIBRARY = Path(__file__).parent.parent / "rules" / "library"
STAGES = ("collectors", "detection", "correlation", "anomaly", "indexer", "serve")
STAGE_PORTS = {
    "serve": 0,
    "collectors": 1,
    "detection": 2,
    "correlation": 3,
    "indexer": 4,
    "anomaly": 5,
}
"""Where a stage answers /healthz and /metrics, counted from the console's port."""
SYSLOG_OFFSET = 10
WORKERS_OFFSET = 1000
"""Where the health ports of second, third … workers begin, ten apart; clear of syslog's."""


class Unset(Exception):
    """Settings that can't be used; the message lists every fault."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(_Section):
    """A Kafka cluster, where one file on one machine is not enough."""

    servers: str
    """Brokers to ask first, `host:port,host:port`."""
    prefix: str = ""
    """What the names of our topics and groups begin with, on a cluster that others use too."""
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    user: str = ""
    password_file: Path | None = None
    """Holds the SASL password; a secret never stands in the settings themselves."""
    ca_file: Path | None = None
    """Authorities that the brokers' certificates must come from; the system's where left out."""
    certificate_file: Path | None = None
    """Our own certificate, where brokers ask for one."""
    key_file: Path | None = None
    replication: Annotated[int, Field(ge=1, le=7)] = 1
    """Copies of every topic."""


class BusSettings(_Section):
    """How events travel."""

    kafka: KafkaSettings | None = None
    """Left out, the embedded bus: one file in the data folder."""
    partitions: Annotated[int, Field(ge=1, le=64)] = 4
    """Partitions of each `events.<tenant>`; sources are spread over them."""
    keep_days: Annotated[float, Field(gt=0, le=400)] = 8
    """Days that the bus keeps records; what a stage has not read is kept longer."""
    keep_bytes: Annotated[int, Field(ge=1 << 20)] | None = None
    """Bytes that each topic keeps, where days are not enough of a bound."""


class DetectionSettings(_Section):
    """What is looked for."""

    rules: tuple[Path, ...] = (LIBRARY,)
    """Sigma rule files and folders."""
    pipelines: tuple[Path, ...] = ()
    """pySigma processing pipelines, applied in this order."""


class CalendarSettings(_Section):
    """When a tenant works, where its kind of organisation does not say it."""

    zone: str = "Europe/London"
    nation: Literal["england-and-wales", "scotland", "northern-ireland"] = "england-and-wales"
    """Whose bank holidays."""
    terms: bool | None = None
    """Whether it keeps school terms; left out, schools, colleges and universities do."""
    breaks: tuple[tuple[date, date], ...] = ()
    """First and last day of each break; left out, the customary ones."""

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError("expected a time zone such as Europe/London")
        return zone

    @field_validator("breaks")
    @classmethod
    def _in_order(cls, breaks: tuple[tuple[date, date], ...]) -> tuple[tuple[date, date], ...]:
        breaks_of(breaks)
        return breaks


class TenantAnomalySettings(_Section):
    """What is different for one tenant."""

    budget: Annotated[float, Field(ge=0, le=1000)] | None = None
    contributes: bool = True
    """Whether other tenants' first day may be helped by what is common here too."""
    pseudonyms: bool = False
    """Whether people of other tenants, the SOC's too, see pseudonyms for names, and no events."""
    calendar: CalendarSettings = CalendarSettings()


class AnomalySettings(_Section):
    """What is watched that no rule describes, and how many alerts that may cost."""

    tenant_budget: Annotated[float, Field(ge=0, le=1000)] = 2
    """Alerts a tenant and day at most; on a quiet day there may be none."""
    city_budget: Annotated[float, Field(ge=0, le=10_000)] = 10
    """Alerts a day at most over all tenants, the most unusual first."""
    lateness: Annotated[float, Field(ge=0, le=86_400)] = 300
    """Seconds that a window waits for late events."""
    checkpoint: Annotated[float, Field(ge=1, le=86_400)] = 600
    """Seconds of the log after which what was learned is put on disk again."""
    tenants: dict[str, TenantAnomalySettings] = {}
    """By tenant id."""

    def of(self, tenant: str) -> TenantAnomalySettings:
        """The settings of one tenant."""
        return self.tenants.get(tenant, TenantAnomalySettings())

    def budget(self, tenant: str) -> float:
        """Alerts a day that a tenant may cost."""
        own = self.of(tenant).budget
        return self.tenant_budget if own is None else own


class ElasticsearchSettings(_Section):
    """An Elasticsearch cluster."""

    url: str
    user: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None


class DatabaseSettings(_Section):
    """Where tenants, people and the queue are kept."""

    url_file: Path | None = None
    """Holds a URL such as `postgresql+psycopg://citysoc:secret@db/citysoc`; left out, SQLite."""


class WorkerSettings(_Section):
    """How many processes `citysoc up` starts of a stage; they share the work as a group."""

    detection: Annotated[int, Field(ge=1, le=64)] = 1
    correlation: Annotated[int, Field(ge=1, le=16)] = 1
    indexer: Annotated[int, Field(ge=1, le=16)] = 1


class SpaceSettings(_Section):
    """How full the data folder's disk may get, in hundredths."""

    warn: Annotated[int, Field(ge=1, le=99)] = 75
    alarm: Annotated[int, Field(ge=1, le=99)] = 85
    refuse: Annotated[int, Field(ge=1, le=100)] = 95
    """From here on doors answer 503, so that what was accepted can still be worked on."""


class StoreSettings(_Section):
    """Where events can be searched, and how long."""

    elasticsearch: ElasticsearchSettings | None = None
    """Left out, the embedded store: files in the data folder."""
    keep_months: Annotated[int, Field(ge=1, le=36)] = 6
    """Months of receipt kept beside the current one (UK guidance: at least six)."""


class Settings(_Section):
    """Everything that `citysoc up` and `citysoc run` go by."""

    data: Path = Path("data")
    """The folder of all files that citysoc writes."""
    host: str = "127.0.0.1"
    """The address that console, ingest and syslog listen on; health ports stay on loopback."""
    port: Annotated[int, Field(ge=1, le=60_000)] = 8600
    """Console and API; ingest is the next port, syslog begins ten above."""
    bus: BusSettings = BusSettings()
    detection: DetectionSettings = DetectionSettings()
    anomaly: AnomalySettings = AnomalySettings()
    store: StoreSettings = StoreSettings()
    database: DatabaseSettings = DatabaseSettings()
    workers: WorkerSettings = WorkerSettings()
    space: SpaceSettings = SpaceSettings()

    def stage_port(self, stage: str, worker: int = 1) -> int:
        """Where a worker of the stage, counted from 1, answers /healthz and /metrics."""
        first = self.port + STAGE_PORTS[stage]
        return first if worker == 1 else first + WORKERS_OFFSET + 10 * (worker - 2)

    def stage_workers(self, stage: str) -> int:
        """How many processes of the stage `citysoc up` starts."""
        return int(getattr(self.workers, stage, 1))

    @property
    def ingest_port(self) -> int:
        """Where partners send events over HTTP."""
        return self.stage_port("collectors")

    @property
    def syslog_port(self) -> int:
        """Where the first syslog source sends."""
        return self.port + SYSLOG_OFFSET

    @classmethod
    def load(
        cls, config: Path | None = None, *, data: Path | None = None, port: int | None = None
    ) -> Self:
        """Read a settings file, if any; what the command line names wins.

        Raises Unset with every fault, each with its place in the file.
        """
        values = _read(config) if config else {}
        if data is not None:
            values["data"] = data
        if port is not None:
            values["port"] = port
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise Unset(_faults(config, error)) from error

    @classmethod
    def running(
        cls, config: Path | None = None, *, data: Path | None = None, port: int | None = None
    ) -> Self:
        """As load, for what is done beside a running system.

        Without a settings file of the caller's, those that the data folder was started with.
        """
        in_force = (data or cls().data) / IN_FORCE
        if config is None and in_force.is_file():
            config = in_force
        return cls.load(config, data=data, port=port)

    def dump(self) -> str:
        """The same as a settings file, paths made absolute."""
        text: str = yaml.safe_dump(_absolute(self.model_dump(mode="python")), sort_keys=False)
        return text


def _absolute(value: object) -> object:
    if isinstance(value, Path):
        return str(value.resolve())
    if isinstance(value, dict):
        return {key: _absolute(each) for key, each in value.items()}
    return [_absolute(each) for each in value] if isinstance(value, list | tuple) else value


def _read(config: Path) -> dict[str, object]:
    try:
        values = yaml.safe_load(config.read_text("utf-8"))
    except OSError as error:
        raise Unset(f"{config}: can't be read ({error.strerror}); name a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Unset(f"{config}: not YAML: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise Unset(f"{config}: expected settings such as `port: 8600`, got {values!r}")
    return values


def _faults(config: Path | None, error: ValidationError) -> str:
    place = config or "command line"
    return "\n".join(
        f"{place}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}, got {fault['input']!r}"
        for fault in error.errors()
    )
