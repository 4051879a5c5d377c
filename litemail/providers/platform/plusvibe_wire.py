"""PlusVibe's API as it goes over the wire: what we send, and what we read of its answers."""

from typing import Literal

import msgspec

YesNo = Literal["yes", "no"]


class Workspace(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="_id")
    name: str = ""


class Authenticated(msgspec.Struct, frozen=True):
    workspaces: list[Workspace]


class NewAccount(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of the `accounts` of both calls that add. The ports tell whether TLS is used from the start."""

    email: str
    first_name: str
    last_name: str
    username: str
    password: str
    imap_host: str
    imap_port: int
    smtp_host: str
    smtp_port: int
    smtp_username: str
    smtp_password: str
    daily_limit: int | None = None
    enable_warmup: YesNo | None = None


class AddAccounts(msgspec.Struct, frozen=True):
    workspace_id: str
    accounts: list[NewAccount]


class UploadAccounts(msgspec.Struct, frozen=True):
    """Body of `POST /partner-upload-regular-accounts`. The result goes to `notification_email`."""

    workspace_id: str
    pipl_username: str
    pipl_password: str
    notification_email: str
    accounts: list[NewAccount]


class ListWorkspaces(msgspec.Struct, frozen=True):
    """Body of `POST /webhook/partner-list-workspace`, which knows one `flow`."""

    pipl_username: str
    pipl_password: str
    flow: Literal["app_user"] = "app_user"


class WorkspacesListed(msgspec.Struct, frozen=True):
    """`code` is 1 when it went well. What holds the list was not to be seen: both names are read."""

    code: int
    message: str = ""
    data: list[Workspace] = []
    workspaces: list[Workspace] = []


class Done(msgspec.Struct, frozen=True):
    """Of calls that add, it only means that the request was accepted."""

    status: Literal["success", "ok", "accepted"]


class Payload(msgspec.Struct, frozen=True):
    daily_limit: float | None = None


class Account(msgspec.Struct, frozen=True):
    """One reader of the live API found the id as `_id`, the others as `id`."""

    email: str
    status: str
    warmup_status: str
    id: str = ""
    other_id: str = msgspec.field(name="_id", default="")
    payload: Payload = Payload()


class Accounts(msgspec.Struct, frozen=True):
    accounts: list[Account]


class DeleteAccount(msgspec.Struct, frozen=True):
    workspace_id: str
    email: str


class UpdateAccounts(msgspec.Struct, frozen=True):
    workspace_id: str
    ids: list[str]
    daily_limit: int


class UpdateWarmup(msgspec.Struct, frozen=True):
    workspace_id: str
    ids: list[str]
    warmup_status: Literal["ACTIVE", "INACTIVE"]


class WarmupUpdated(msgspec.Struct, frozen=True):
    """The checked list of calls has the ids here; the other bulk calls answer with a `status` alone."""

    updated_ids: list[str] | None = None
    status: Literal["success", "ok", "accepted"] | None = None


class Tag(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="_id")
    name: str = ""


class NewTag(msgspec.Struct, frozen=True):
    """A colour must be given."""

    workspace_id: str
    name: str
    color: str


class TagMade(msgspec.Struct, frozen=True):
    tag_id: str


class AssignTag(msgspec.Struct, frozen=True):
    workspace_id: str
    ids: list[str]
    tag_id: str
    action: Literal["ASSIGN", "UNASSIGN"] = "ASSIGN"
