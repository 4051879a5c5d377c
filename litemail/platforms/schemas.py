"""Wire shapes of platforms."""

from typing import Annotated, Literal

import msgspec
from pydantic import ConfigDict, Field, SecretStr, StringConstraints

from litemail.kit.clock import rfc3339
from litemail.kit.errors import Problem
from litemail.kit.wire import ONE_LINE, RequestModel, Timestamp, checked
from litemail.platforms.given import GivenAccount
from litemail.platforms.queries import PlatformAccount as AccountRow
from litemail.platforms.queries import Status, Workspace
from litemail.protocols import address
from litemail.providers.platform import PLATFORMS, Declaration, Registry
from litemail.providers.platform import Platform as KnownPlatform

Email = Annotated[str, checked(address.parse), Field(max_length=254)]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=1000)]
Url = Annotated[str, Field(min_length=1, max_length=2000)]
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), ONE_LINE]


class Credential(msgspec.Struct, frozen=True):
    """One thing to enter for a platform account, and where it is found at the platform."""

    field: str
    label: str
    where: str


class Limits(msgspec.Struct, frozen=True):
    """What Litemail allows itself per platform account, below the platform's own limits."""

    requests_per_second: float
    requests_per_minute: float
    concurrency: int


class Platform(msgspec.Struct, frozen=True):
    platform_type: str
    name: str
    connects: Literal["api", "file"]
    credentials: list[Credential]
    limits: Limits | None
    sandbox_twin: bool
    verified_live: bool


class _Fields(RequestModel):
    """White space is part of a password, and what was sent stays out of error texts."""

    model_config = ConfigDict(str_strip_whitespace=False, hide_input_in_errors=True)

    platform_email: Email | None = None
    platform_pass: Secret | None = None
    api_key: Secret | None = None
    url: Url | None = None
    workspace: Word | None = None
    client_id: Word | None = None
    client_secret: Secret | None = None
    label: Word | None = None

    def given(self, platform_type: str) -> GivenAccount:
        return GivenAccount(
            platform_type=platform_type,
            platform_email=self.platform_email,
            platform_pass=_text(self.platform_pass),
            api_key=_text(self.api_key),
            url=self.url,
            workspace=self.workspace,
            client_id=self.client_id,
            client_secret=_text(self.client_secret),
            label=self.label,
        )


class AccountCreate(_Fields):
    """Either an `api_key`, or `platform_email` and `platform_pass`; GET /v1/platforms says what a platform takes."""

    platform_type: Annotated[str, Field(min_length=1, max_length=50)]


class AccountUpdate(_Fields):
    """Fields left out stay as they are."""


class Account(msgspec.Struct, frozen=True):
    """`workspaces`: those that the login has at the platform; `workspace`: the one that inboxes go to, where known.
    `problem`: why the platform refused the login the last time it was asked.
    """

    id: str
    platform_type: str
    label: str | None
    platform_email: str | None
    url: str | None
    workspace: str | None
    workspaces: list[Workspace]
    status: Status
    problem: Problem | None
    verified_at: Timestamp | None
    created_at: Timestamp


def show_account(row: AccountRow) -> Account:
    return Account(
        id=row.id,
        platform_type=row.platform_type,
        label=row.label,
        platform_email=row.platform_email,
        url=row.url,
        workspace=row.external_workspace_name or row.wanted_workspace or None,
        workspaces=list(row.workspaces),
        status=row.status,
        problem=row.problem,
        verified_at=None if row.verified_at is None else rfc3339(row.verified_at),
        created_at=rfc3339(row.created_at),
    )


def _text(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def show_platforms(registry: Registry) -> list[Platform]:
    """Every platform that is known by name: those with an adapter as it declares itself, the others by file."""
    return [
        _show_declared(adapter.declaration) if (adapter := registry.adapters.get(known.platform_type)) else _show(known)
        for known in PLATFORMS
        if known.connects == "file" or known.platform_type in registry.adapters
    ]


def _show(known: KnownPlatform) -> Platform:
    return Platform(
        platform_type=known.platform_type,
        name=known.name,
        connects="file",
        credentials=[],
        limits=None,
        sandbox_twin=False,
        verified_live=False,
    )


def _show_declared(declaration: Declaration) -> Platform:
    limits = declaration.limits
    return Platform(
        platform_type=declaration.platform_type,
        name=declaration.name,
        connects="api",
        credentials=[Credential(each.field, each.label, each.where) for each in declaration.credentials],
        limits=Limits(limits.per_second, limits.per_minute, limits.concurrency),
        sandbox_twin=declaration.sandbox_twin,
        verified_live=declaration.verified_live,
    )
