"""Saleshandy's Open API as it goes over the wire: what we send, and what we read of its answers."""

from typing import Literal

import msgspec

Encryption = Literal["ssl", "tls", "none"]


class Server(msgspec.Struct, frozen=True, rename="camel"):
    """One side of an inbox. The vendor's page shows `ssl` with 465 and 993; the other words are inferred."""

    email_address: str
    user_name: str
    password: str
    host: str
    port: int
    encryption: Encryption


class Servers(msgspec.Struct, frozen=True):
    smtp: Server
    imap: Server


class Connect(msgspec.Struct, frozen=True, rename="camel"):
    """Body of `POST /v1/email-accounts/smtp-imap/connect`. All three names must be there."""

    email_service_provider: str
    from_name: str
    from_first_name: str
    from_last_name: str
    payload: Servers


class Side(msgspec.Struct, frozen=True):
    error: str | None = None


class Connected(msgspec.Struct, frozen=True, rename="camel"):
    """The account is saved in any case: `status` 1 is connected, 0 is not, and then a side has an error."""

    status: Literal[0, 1]
    smtp_connection: Side | None = None
    imap_connection: Side | None = None


class ConnectedWrapped(msgspec.Struct, frozen=True):
    payload: Connected


class ListAccounts(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Body of `POST /v1/email-accounts`, which reads. `search` finds addresses and names that contain it."""

    page_size: int
    page: int
    search: str = ""


class Setting(msgspec.Struct, frozen=True):
    code: str
    value: str | float | None = None


class Account(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    from_email: str
    status: int
    from_name: str = ""
    settings: list[Setting] = []


class Accounts(msgspec.Struct, frozen=True):
    emails: list[Account]


class AccountsWrapped(msgspec.Struct, frozen=True):
    payload: Accounts


class Update(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Body of `POST /v1/email-accounts/bulk-update`, which wants the first name each time."""

    email_account_ids: list[str]
    sender_first_name: str
    sender_last_name: str | None = None
    daily_quota: int | None = None
