"""What every sending platform is to Litemail: a declaration, and sessions that add and read inboxes.

Platforms add inboxes in three ways: at once (Instantly), accepted and polled (Salesforge, Woodpecker), accepted and
found later only by listing (PlusVibe). All three are one here: `add` answers for each inbox `Accepted` or `Refused`,
and `confirm` reads back what was accepted until each is `CONNECTED` or `FAILED`; what it leaves out is not there yet.
Nothing is connected before it was read back. Platforms that take many inboxes in one call say so in `Limits.batch`.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

import httpx
import msgspec

from litemail.kit.errors import Error
from litemail.providers.platform.pacing import Limits, Pacer

InboxType = Literal["gmail", "outlook", "yahoo", "zoho", "litemail", "custom"]
Security = Literal["tls", "starttls", "none"]


class Capability(StrEnum):
    """What an adapter can do beyond check, find, add and confirm, which all can."""

    LOGIN = "login"
    UPDATE = "update"
    """Change the sender's names."""
    DAILY_LIMIT = "daily_limit"
    """Change how many messages a day an inbox may send."""
    LIMIT_ON_ADD = "limit_on_add"
    """Take a daily limit together with an inbox that is added."""
    CREDENTIALS = "credentials"
    """Change the password and the servers of an inbox in place."""
    WARMUP = "warmup"
    TAGS = "tags"
    REMOVE = "remove"
    LIST = "list"


class CredentialField(msgspec.Struct, frozen=True):
    """One thing to enter: its name in requests, its label on a form, and where at the platform it is found."""

    field: Literal["platform_email", "platform_pass", "api_key", "url", "workspace", "client_id", "client_secret"]
    label: str
    where: str


class Site(msgspec.Struct, frozen=True):
    """Where a platform is reached: its API, and where people sign in. Without a slash at the end."""

    api: str
    login: str


class Declaration(msgspec.Struct, frozen=True):
    """What is known of a platform before speaking to it."""

    platform_type: str
    name: str
    credentials: tuple[CredentialField, ...]
    limits: Limits
    capabilities: frozenset[Capability]
    live: Site | None
    """None where each customer has an instance of its own, named by the `url` of its credentials. The `Site` that a
    session is given is then that URL (or the sandbox twin)."""
    refuses_duplicates: bool
    """Whether adding an inbox that is there already is harmless (`Accepted.already`), so that a first `add` needs no
    `find` before it. A repeated one needs it on every platform."""
    sandbox_twin: bool
    verified_live: bool
    """Whether this adapter was ever used against the real platform."""
    login_capabilities: frozenset[Capability] = frozenset()
    """What a session can do that works with e-mail and password themselves (`Adapter.login_session`)."""


@dataclass(frozen=True)
class Credentials:
    """What a session works with. Which of these a platform needs is in its declaration."""

    api_key: str = field(default="", repr=False)
    url: str | None = None
    workspace: str | None = None
    client_id: str | None = None
    client_secret: str = field(default="", repr=False)


@dataclass(frozen=True)
class Login:
    """A person's sign-in at the platform: exchanged for an API key and then forgotten."""

    email: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class PlatformWorkspace:
    """A workspace (organisation, team) at the platform."""

    id: str
    name: str


@dataclass(frozen=True)
class MailServer:
    """How the platform reaches one side of an inbox."""

    host: str
    port: int
    security: Security
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class InboxToAdd:
    """An inbox as handed to a platform. `warmup` is what is wanted from the start, where it can be said at once."""

    email: str
    first_name: str
    last_name: str
    inbox_type: InboxType
    imap: MailServer
    smtp: MailServer
    daily_limit: int | None = None
    warmup: bool = False


@dataclass(frozen=True)
class Accepted:
    """The platform took the inbox, or has it `already`. `ticket` is what `confirm` needs to ask for it."""

    email: str
    ticket: str
    already: bool = False


@dataclass(frozen=True)
class Refused:
    """The platform did not take this inbox."""

    email: str
    error: Error


Outcome = Accepted | Refused


class Standing(StrEnum):
    """How an inbox stands at the platform."""

    CONNECTED = "connected"
    PENDING = "pending"
    FAILED = "failed"


@dataclass(frozen=True)
class RemoteInbox:
    """An inbox as the platform shows it. `problem` is set when it is `FAILED`."""

    email: str
    external_id: str
    standing: Standing
    problem: Error | None = None
    daily_limit: int | None = None
    warmup: bool = False


@dataclass(frozen=True)
class Changes:
    """What to change of an inbox; None leaves it."""

    first_name: str | None = None
    last_name: str | None = None
    daily_limit: int | None = None


@dataclass(frozen=True)
class Exchanged:
    """What a login was exchanged for."""

    credentials: Credentials
    workspace: PlatformWorkspace


class Session(Protocol):
    """Calls with one account's credentials. Addresses are compared in lower case; mappings have them as asked for.

    Raises `TryAgain`, `ActionNeeded` or `GivenUp`, of which `OutcomeUnknown` asks to read back before repeating, and
    `NotOffered` for what is not among the declared capabilities.
    """

    async def check(self) -> tuple[PlatformWorkspace, ...]:
        """Signs in and says for which workspaces; `BadCredentials` when the platform refuses."""
        ...

    async def find(self, emails: Sequence[str]) -> Mapping[str, RemoteInbox]:
        """Those of the inboxes that the platform has."""
        ...

    async def add(self, inboxes: Sequence[InboxToAdd]) -> Sequence[Outcome]:
        """Hands over at most `Limits.batch` inboxes; one outcome each. Not to be repeated before `find`.

        What is refused for the account as a whole is raised, what is refused of one inbox is its outcome.
        """
        ...

    async def confirm(self, accepted: Sequence[Accepted]) -> Mapping[str, RemoteInbox]:
        """Reads accepted inboxes back. One that is missing or `PENDING` is asked for again until `confirm_within`."""
        ...

    async def update(self, email: str, changes: Changes) -> None:
        """Changes an inbox that is there. Safe to repeat."""
        ...

    async def update_credentials(self, inbox: InboxToAdd) -> None:
        """Gives the platform new passwords and servers of an inbox that it has. Safe to repeat.

        Of the rest of `inbox` nothing need change. Raises `InboxSignInRefused` where the platform tries them at once.
        """
        ...

    async def set_warmup(self, emails: Sequence[str], *, on: bool) -> None:
        """Switches warm-up and waits until the platform has done so. Safe to repeat."""
        ...

    async def tag(self, emails: Sequence[str], tags: Sequence[str]) -> None:
        """Makes the tags that are missing and attaches them. Safe to repeat."""
        ...

    async def remove(self, email: str) -> None:
        """Takes the inbox away; one that is not there is no error."""
        ...

    def list_(self) -> AsyncIterator[RemoteInbox]: ...


@dataclass(frozen=True)
class Reach:
    """How a platform is reached: through a guarded client, where, and how fast.

    The client may be shared by many accounts: adapters keep no cookies in it.
    """

    client: httpx.AsyncClient
    site: Site
    pacer: Pacer


class OpenSession(Protocol):
    """Opens a session; reaches nothing. Raises `BadCredentials` for what cannot be a key of the platform."""

    def __call__(self, credentials: Credentials, reach: Reach) -> Session: ...


class OpenLoginSession(Protocol):
    """Opens a session that works with e-mail and password themselves, in the workspace of that name or id (None: the
    only one); reaches nothing.
    """

    def __call__(self, login: Login, reach: Reach, *, workspace: str | None) -> Session: ...


class SignIn(Protocol):
    """Checks a login and says which workspaces it has; changes nothing at the platform."""

    async def __call__(self, login: Login, reach: Reach) -> tuple[PlatformWorkspace, ...]: ...


class Exchange(Protocol):
    """Makes an API key out of a login, in the workspace of that name or id (None: the only one).

    `key_name` must be of this platform account alone: keys of that name left by a lost answer are removed first,
    which makes the exchange safe to repeat.
    """

    async def __call__(self, login: Login, reach: Reach, *, workspace: str | None, key_name: str) -> Exchanged: ...


@dataclass(frozen=True)
class Adapter:
    """One platform: what it is and how to speak to it.

    A login is either exchanged for a key (`LOGIN`, with `sign_in` and `exchange`), or used as it is for each call
    (`LOGIN`, with `login_session`), or not taken at all.
    """

    declaration: Declaration
    session: OpenSession
    sign_in: SignIn | None = None
    exchange: Exchange | None = None
    login_session: OpenLoginSession | None = None
