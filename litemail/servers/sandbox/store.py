"""What the twins remember: what is common to all has fields, each vendor's own shapes are in `data`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one workspace's twin of a platform misbehaves. `rate_limit` is in requests a second and organisation."""

    latency_ms: int = 0
    error_rate: float = 0.0
    rate_limit: int | None = None
    account_limit: int | None = None
    down: bool = False


class Organisation(msgspec.Struct, frozen=True):
    """Who owns accounts at the twin: one per login e-mail, and one per API key that the twin did not make."""

    id: str
    workspace_id: str
    platform_type: str
    login: str
    name: str
    created_at: datetime


class ApiKey(msgspec.Struct, frozen=True):
    """A key that the twin made. A revoked one is kept, so that it stays refused."""

    id: str
    organisation_id: str
    name: str
    scopes: tuple[str, ...]
    hash: bytes
    paid: bool
    created_at: datetime
    revoked_at: datetime | None = None


class Entry(msgspec.Struct, frozen=True):
    """Who comes with an API key. `key` is set when the twin made it, and the organisation is then the key's."""

    settings: Settings
    organisation: Organisation | None
    key: ApiKey | None


class Account(msgspec.Struct, frozen=True):
    """An inbox that was added. `email` is in lower case; no passwords are kept."""

    organisation_id: str
    email: str
    data: bytes
    created_at: datetime
    signed_in: bool = True


class Thing(msgspec.Struct, frozen=True):
    """Anything else that a twin keeps for an organisation: a background job, a tag."""

    organisation_id: str
    kind: str
    id: str
    data: bytes
    created_at: datetime


class Added(StrEnum):
    """What came of adding an account."""

    ADDED = "added"
    EXISTS = "exists"
    FULL = "full"


class Store(Protocol):
    """State of the twins. Every method is one atomic step."""

    async def settings(self, workspace_id: str, platform_type: str) -> Settings | None:
        """None when there is no such sandbox workspace."""
        ...

    async def enter(self, workspace_id: str, platform_type: str, *, key_hash: bytes, login: str) -> Entry | None:
        """Who comes with that key: whoever the twin made it for, else the organisation of `login` where there is one.

        None when there is no such sandbox workspace. One step, since every call begins with it.
        """
        ...

    async def put_settings(self, workspace_id: str, platform_type: str, settings: Settings) -> None: ...

    async def organisation(self, fresh: Organisation) -> Organisation:
        """The organisation of that workspace, platform and login; `fresh` becomes it when there is none."""
        ...

    async def add_key(self, key: ApiKey) -> None:
        """One of that id, of vendors that make the same key again, stays as it is."""
        ...

    async def list_keys(self, organisation_id: str) -> Sequence[ApiKey]:
        """Those not revoked, newest first."""
        ...

    async def revoke_key(self, organisation_id: str, key_id: str, *, now: datetime) -> ApiKey | None: ...

    async def add_account(self, account: Account, *, limit: int | None) -> Added:
        """Inserts exactly once per organisation and address, and never more than `limit`."""
        ...

    async def find_account(self, organisation_id: str, email: str) -> Account | None: ...

    async def change_account(
        self, organisation_id: str, email: str, change: Callable[[bytes], bytes]
    ) -> Account | None:
        """Replaces the account's data by what `change` makes of it, while nobody else changes it."""
        ...

    async def remove_account(self, organisation_id: str, email: str) -> Account | None: ...

    async def list_accounts(
        self, organisation_id: str, *, search: str = "", after: tuple[datetime, str] | None = None, limit: int
    ) -> Sequence[Account]:
        """Newest first, ties by address; those after the given creation time and address."""
        ...

    async def held(self, workspace_id: str, platform_type: str) -> Sequence[Account]:
        """Every account of every organisation of the workspace, by address."""
        ...

    async def put(self, thing: Thing) -> None: ...

    async def find(self, organisation_id: str, kind: str, thing_id: str) -> Thing | None: ...

    async def list_(self, organisation_id: str, kind: str) -> Sequence[Thing]: ...


@dataclass(frozen=True)
class MailDoor:
    """One side of an inbox, as given to a platform."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)


class SignIn(Protocol):
    """Signs in to an inbox the way the platform would. None when both sides let it in, else who refused and why."""

    async def __call__(self, *, imap: MailDoor, smtp: MailDoor) -> str | None: ...
