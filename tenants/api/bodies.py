"""What the API takes: strict models with bounds, unknown keys refused, each with an example."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from detection.policy import State
from tenants.access import Role
from tenants.triage.verdicts import Verdict

TenantId = Annotated[str, Field(max_length=31, examples=["riverside"])]
UserId = Annotated[str, Field(min_length=1, max_length=99, examples=["kim"])]
Password = Annotated[str, Field(min_length=1, max_length=200, examples=["correct horse battery"])]


ListName = Annotated[str, Field(min_length=1, max_length=64)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SignInBody(_Body):
    """A name and a password."""

    user: UserId
    password: Password


class PasswordBody(_Body):
    """The present password and the next."""

    old: Password
    new: Annotated[str, Field(min_length=12, max_length=200, examples=["another horse battery"])]


class TokenBody(_Body):
    """What the token is for."""

    name: Annotated[str, Field(min_length=1, max_length=60, examples=["dashboard"])]


class TenantBody(_Body):
    """An organisation to take in."""

    id: TenantId
    name: Annotated[str, Field(min_length=1, max_length=100, examples=["Riverside Council"])]
    kind: Annotated[str, Field(min_length=1, max_length=60, examples=["council"])] = "other"


Senders = Annotated[
    list[Annotated[str, Field(max_length=64)]], Field(max_length=200, examples=[["192.0.2.0/24"]])
]


class SourceBody(_Body):
    """A source to take in; `senders` only for kinds that come by syslog.

    `schema` says whose names the fields have, where it is not what the kind says.
    """

    kind: Annotated[str, Field(max_length=40, examples=["firewall"])]
    name: Annotated[str, Field(min_length=1, max_length=63, examples=["edge-1"])]
    senders: Senders = []
    schema_: Annotated[str, Field(alias="schema", max_length=40, examples=["ecs"])] = ""


class SourceChange(_Body):
    """What is to change; what is left out stays."""

    enabled: Annotated[bool | None, Field(examples=[True])] = None
    senders: Senders | None = None


class AssetBody(_Body):
    """One asset."""

    kind: Annotated[str, Field(max_length=10, examples=["host"])]
    name: Annotated[str, Field(min_length=1, max_length=255, examples=["ws-014"])]
    owner: Annotated[str, Field(max_length=100, examples=["Finance"])] = ""
    criticality: Annotated[str, Field(max_length=10, examples=["high"])] = "normal"


class StatesBody(_Body):
    """Rule id to state; null puts a rule back to its default."""

    states: Annotated[
        dict[
            Annotated[str, Field(min_length=1, max_length=200)],
            Annotated[State | None, Field(strict=False)],
        ],
        Field(max_length=20_000, examples=[{"7d3c1f0a-2f0e-4a53-9d43-5b8d2f6a9c11": "signal"}]),
    ]


class ListsBody(_Body):
    """Name of a placeholder to its values; null removes a list."""

    lists: Annotated[
        dict[ListName, Annotated[list[str], Field(max_length=10_000)] | None],
        Field(max_length=100, examples=[{"admins": ["root", "adm_*"]}]),
    ]


class ExceptionsBody(_Body):
    """Name to the text of a Sigma filter document; null removes an exception."""

    exceptions: Annotated[
        dict[ListName, Annotated[str, Field(max_length=20_000)] | None],
        Field(max_length=100, examples=[{"backup": "title: Backup\nlogsource: …"}]),
    ]


class UserBody(_Body):
    """Somebody to let in; `tenants` for partners only."""

    id: UserId
    name: Annotated[str, Field(min_length=1, max_length=100, examples=["Kim Lee"])]
    role: Annotated[Role, Field(strict=False, examples=["partner"])]
    tenants: Annotated[list[TenantId], Field(max_length=200)] = []


class UserChange(_Body):
    """Whether the user may sign in."""

    enabled: bool


class VerdictBody(_Body):
    """What an alert was, and why you say so."""

    verdict: Annotated[Verdict, Field(strict=False, examples=["benign_true_positive"])]
    reason: Annotated[str, Field(min_length=1, max_length=2000, examples=["Planned test."])]


class NoteBody(_Body):
    """A note."""

    text: Annotated[str, Field(min_length=1, max_length=10_000, examples=["Called the owner."])]
