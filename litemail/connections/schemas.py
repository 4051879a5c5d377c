"""Wire shapes of connections. Passwords go in and never come out, and no repr or error shows them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from pydantic import ConfigDict, Field, ModelWrapValidatorHandler, SecretStr, StringConstraints, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from litemail.connections import faults
from litemail.connections.queries import Connection as ConnectionRow
from litemail.connections.queries import ConnectionStatus, FreshInbox, InboxStatus
from litemail.connections.queries import Inbox as InboxRow
from litemail.kit.clock import rfc3339
from litemail.kit.errors import Problem
from litemail.kit.ids import id_pattern
from litemail.kit.wire import ONE_LINE, RequestModel, Timestamp, checked
from litemail.protocols import address
from litemail.providers.mailhost import Servers
from litemail.providers.platform import InboxType, Security

MAX_INBOXES = 1000

Email = Annotated[str, checked(address.parse), Field(max_length=254)]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=1000)]
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), ONE_LINE]
DailyLimit = Annotated[int, Field(ge=1, le=10_000)]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]


class _SecretModel(RequestModel):
    """White space is part of a password, and what was sent stays out of error texts."""

    model_config = ConfigDict(str_strip_whitespace=False, hide_input_in_errors=True)


class MailServerGiven(_SecretModel):
    host: Word
    port: Annotated[int, Field(ge=1, le=65535)]
    security: Security


class InboxGiven(_SecretModel):
    email: Email
    password: Annotated[Secret | None, Field(alias="pass")] = None
    username: Word | None = None
    first_name: Word | None = None
    last_name: Word | None = None
    daily_limit: DailyLimit | None = None
    imap: MailServerGiven | None = None
    smtp: MailServerGiven | None = None


class OptionsGiven(_SecretModel):
    """`verify`: sign in to each inbox before it is handed over. `warmup` and `tags`: set at the platform."""

    verify: bool = True
    warmup: bool = False
    daily_limit: DailyLimit | None = None
    tags: Annotated[list[Tag], Field(max_length=20)] = Field(default_factory=list)


class ConnectInbox(_SecretModel):
    """Either `platform_email` and `platform_pass`, or `platform_api_key`, or `platform_account_id`."""

    platform_type: Annotated[str, Field(min_length=1, max_length=50)]
    platform_email: Email | None = None
    platform_pass: Secret | None = None
    platform_api_key: Secret | None = None
    platform_account_id: Annotated[str, Field(pattern=id_pattern("pfa"))] | None = None
    platform_url: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    platform_workspace: Word | None = None
    inbox_type: InboxType
    imap: MailServerGiven | None = None
    smtp: MailServerGiven | None = None
    inboxes: Annotated[list[InboxGiven], Field(min_length=1, max_length=MAX_INBOXES)]
    options: OptionsGiven = Field(default_factory=OptionsGiven)

    @model_validator(mode="wrap")
    @classmethod
    def _all_faults_at_once(cls, data: Any, handler: ModelWrapValidatorHandler["ConnectInbox"]) -> "ConnectInbox":
        """Pydantic looks at how fields go together only once each is right by itself; people want both lists."""
        found: list[tuple[faults.Path, str]] = []
        valid: ConnectInbox | None = None
        try:
            valid = handler(data)
        except ValidationError as error:
            found += [(each["loc"], each["msg"]) for each in error.errors(include_url=False, include_input=False)]
        if isinstance(data, dict):
            found += [fault for fault in faults.of_fields(data) if fault[0] not in {path for path, _ in found}]
            found += faults.of_platform(data) if found else []
        if valid is None or found:
            lines = [InitErrorDetails(type=_plain(text), loc=path, input=None) for path, text in found]
            raise ValidationError.from_exception_data(cls.__name__, lines, hide_input=True)
        return valid


def _plain(text: str) -> PydanticCustomError:
    return PydanticCustomError("value_error", "{text}", {"text": text})


class NewInbox(msgspec.Struct, frozen=True):
    id: str
    email: str
    status: InboxStatus


class NewConnection(msgspec.Struct, frozen=True):
    """A connection as it begins."""

    id: str
    status: ConnectionStatus
    platform_type: str
    platform_account_id: str
    inbox_type: InboxType
    total: int
    connected: int
    failed: int
    inboxes: list[NewInbox]
    created_at: Timestamp


class Connection(msgspec.Struct, frozen=True):
    """`total` is the sum of the other counts and of the inboxes still under way."""

    id: str
    status: ConnectionStatus
    platform_type: str
    platform_account_id: str
    inbox_type: InboxType
    total: int
    connected: int
    failed: int
    action_required: int
    cancelled: int
    created_at: Timestamp
    finished_at: Timestamp | None


class Inbox(msgspec.Struct, frozen=True):
    """`already`: it was there before. `error` also tells why an inbox under way waits. `action`: a link to open.
    `servers`: those given or found for `inbox_type` `custom`.
    """

    id: str
    email: str
    status: InboxStatus
    already: bool
    action: str | None
    error: Problem | None
    servers: Servers | None
    updated_at: Timestamp


def show_new_connection(row: ConnectionRow, inboxes: Sequence[FreshInbox]) -> NewConnection:
    return NewConnection(
        id=row.id,
        status=row.status,
        platform_type=row.platform_type,
        platform_account_id=row.platform_account_id,
        inbox_type=row.inbox_type,
        total=row.total,
        connected=row.connected,
        failed=row.failed,
        inboxes=[NewInbox(inbox.id, inbox.email, "queued") for inbox in inboxes],
        created_at=rfc3339(row.created_at),
    )


def show_connection(row: ConnectionRow) -> Connection:
    return Connection(
        id=row.id,
        status=row.status,
        platform_type=row.platform_type,
        platform_account_id=row.platform_account_id,
        inbox_type=row.inbox_type,
        total=row.total,
        connected=row.connected,
        failed=row.failed,
        action_required=row.action_required,
        cancelled=row.cancelled,
        created_at=rfc3339(row.created_at),
        finished_at=_time(row.finished_at),
    )


def show_inbox(row: InboxRow) -> Inbox:
    return Inbox(
        id=row.id,
        email=row.email,
        status=row.status,
        already=row.already,
        action=row.action,
        error=row.error,
        servers=row.servers,
        updated_at=rfc3339(row.updated_at),
    )


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
