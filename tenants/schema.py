"""The tables behind the queue: every one of a tenant's rows names its tenant."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

HEAD = "0007"
"""The migration that makes exactly these tables."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

WIDE = Integer().with_variant(BigInteger(), "postgresql")
"""For what counts without end; SQLite's integers have 64 bits anyway."""

WAITING = text("state != 'closed'")
"""What an item of the queue is; a question in these words is answered by the index of them."""


def _text(name: str, default: str | None = None) -> Column[str]:
    """A text that is never null. Moments are text as tenants.clock writes them."""
    return Column(name, Text, nullable=False, server_default=default)


def _tenant(*, primary_key: bool = False) -> Column[str]:
    return Column("tenant_id", ForeignKey("tenants.id"), primary_key=primary_key, nullable=False)


registry_version = Table(
    "registry_version",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
)

tenants = Table(
    "tenants",
    metadata,
    Column("id", Text, primary_key=True),
    _text("name"),
    _text("kind"),
    _text("created"),
)

sources = Table(
    "sources",
    metadata,
    _tenant(primary_key=True),
    Column("name", Text, primary_key=True),
    _text("kind"),
    _text("format"),
    _text("logsources"),
    _text("schema", ""),
    _text("token_hash"),
    Column("syslog_slot", Integer, unique=True),
    _text("senders"),
    Column("enabled", Boolean, nullable=False),
    _text("created"),
    UniqueConstraint("token_hash"),
)

assets = Table(
    "assets",
    metadata,
    _tenant(primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    _text("owner"),
    _text("criticality"),
)

policies = Table(
    "policies",
    metadata,
    _tenant(primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _text("states"),
    _text("lists", "{}"),
    _text("filters", "{}"),
    _text("created"),
    _text("author"),
)

rule_sets = Table(
    "rule_sets",
    metadata,
    Column("version", Text, primary_key=True),
    _text("origin"),
    _text("created"),
    _text("author"),
    _text("figures"),
    Column("bundle", LargeBinary, nullable=False),
)

releases = Table(
    "releases",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("version", ForeignKey("rule_sets.version")),
    Column("restores", Integer),
    _text("created"),
    _text("author"),
)
"""Of rule sets, one after another; without a version, of the rules that the settings name.

A roll-back names the release that it restores; 0 is before the first.
"""

announced = Table(
    "announced",
    metadata,
    _tenant(primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("policy", Integer, nullable=False),
    Column("release", Integer, nullable=False),
)
"""The last versions that stand on each partition of a tenant's events."""

seen_fields = Table(
    "seen_fields",
    metadata,
    _tenant(primary_key=True),
    Column("logsource", Text, primary_key=True),
    Column("field", Text, primary_key=True),
)

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    _text("name"),
    _text("role"),
    _text("password_hash"),
    Column("enabled", Boolean, nullable=False),
    _text("created"),
)

user_tenants = Table(
    "user_tenants",
    metadata,
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    _tenant(primary_key=True),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id_hash", Text, primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    _text("created"),
    _text("seen"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    _text("name"),
    Column("token_hash", Text, nullable=False, unique=True),
    _text("created"),
)

signin_failures = Table(
    "signin_failures",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    _text("last"),
)

items = Table(
    "items",
    metadata,
    _tenant(primary_key=True),
    Column("id", Text, primary_key=True),
    _text("subject"),
    _text("entity_key"),
    _text("rule"),
    _text("title"),
    _text("level"),
    _text("ruleset"),
    _text("entity_kind"),
    _text("entity_name"),
    _text("criticality"),
    Column("matches", WIDE, nullable=False),
    _text("first"),
    _text("last"),
    _text("opened"),
    _text("state"),
    Column("owner", ForeignKey("users.id")),
    Column("claimed", Text),
    _text("verdict", ""),
    _text("reason", ""),
    Column("closed", Text),
    Column("quiet_until", Text),
    Column("priority", Integer, nullable=False),
    _text("words"),
    Column("sequence", Integer, nullable=False),
    Index("ix_items_queue", "state", "priority", "opened", "id"),
    Index(
        "ix_items_waiting",
        "priority",
        "opened",
        "id",
        postgresql_where=WAITING,
        sqlite_where=WAITING,
    ),
    Index("ix_items_subject", "subject", "sequence"),
    Index("ix_items_entity_key", "entity_key", "state"),
)

alerts = Table(
    "alerts",
    metadata,
    _tenant(primary_key=True),
    Column("id", Text, primary_key=True),
    _text("item_id"),
    Column("revision", WIDE, nullable=False),
    Column("matches", WIDE, nullable=False),
    _text("hour"),
    _text("first"),
    _text("last"),
    _text("received"),
    _text("ruleset"),
    _text("related"),
    _text("marks"),
    _text("context"),
    _text("sources"),
    Column("carried", Integer, nullable=False),
    _text("unusual", ""),
    ForeignKeyConstraint(["tenant_id", "item_id"], ["items.tenant_id", "items.id"]),
    Index("ix_alerts_item", "tenant_id", "item_id", "hour"),
)

alert_events = Table(
    "alert_events",
    metadata,
    _tenant(primary_key=True),
    Column("alert_id", Text, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    _text("event"),
    Column("body", LargeBinary),
    ForeignKeyConstraint(["tenant_id", "alert_id"], ["alerts.tenant_id", "alerts.id"]),
)

notes = Table(
    "notes",
    metadata,
    Column("id", WIDE, primary_key=True),
    _tenant(),
    _text("item_id"),
    _text("time"),
    _text("author"),
    _text("text"),
    ForeignKeyConstraint(["tenant_id", "item_id"], ["items.tenant_id", "items.id"]),
    Index("ix_notes_item", "tenant_id", "item_id"),
)

history = Table(
    "history",
    metadata,
    Column("id", WIDE, primary_key=True),
    _tenant(),
    _text("item_id"),
    _text("time"),
    _text("who"),
    _text("what"),
    _text("before", ""),
    _text("after", ""),
    ForeignKeyConstraint(["tenant_id", "item_id"], ["items.tenant_id", "items.id"]),
    Index("ix_history_item", "tenant_id", "item_id"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", WIDE, primary_key=True),
    Column("tenant_id", Text),
    _text("time"),
    _text("who"),
    _text("what"),
    _text("detail", ""),
    Index("ix_audit_tenant", "tenant_id", "id"),
    Index("ix_audit_act", "who", "what", "detail", "time"),
)
