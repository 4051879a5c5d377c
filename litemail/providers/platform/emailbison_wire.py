"""EmailBison's API as it goes over the wire: what we send, and what we read of its answers."""

from typing import Annotated

import msgspec

# Two public clients send other names (`from_name`, `imap_host`, user names of their own); these are the documented.


class AddSender(msgspec.Struct, frozen=True):
    """Body of `POST /api/sender-emails/imap-smtp`. The address is the user name on both sides."""

    name: str
    email: str
    password: str
    imap_server: str
    imap_port: int
    smtp_server: str
    smtp_port: int
    smtp_secure: bool
    imap_secure: bool


class ChangeSender(msgspec.Struct, frozen=True, omit_defaults=True):
    """Body of `PATCH /api/sender-emails/{id}`."""

    name: str | None = None
    daily_limit: int | None = None


class SenderIds(msgspec.Struct, frozen=True):
    """Body of the warm-up calls."""

    sender_email_ids: list[int]


class NewTag(msgspec.Struct, frozen=True):
    name: str


class AttachTags(msgspec.Struct, frozen=True):
    """Body of `POST /api/tags/attach-to-sender-emails`. Tags set here are no news for the customer's webhooks."""

    tag_ids: list[int]
    sender_email_ids: list[int]
    skip_webhooks: bool = True


class Sender(msgspec.Struct, frozen=True):
    """What we read of a sender e-mail account."""

    id: int
    email: str
    name: str
    status: str
    daily_limit: int | None = None
    warmup_enabled: bool = False


class OneSender(msgspec.Struct, frozen=True):
    data: Sender


class Meta(msgspec.Struct, frozen=True):
    last_page: Annotated[int, msgspec.Meta(ge=1)]


class Senders(msgspec.Struct, frozen=True):
    data: list[Sender]
    meta: Meta


class Workspace(msgspec.Struct, frozen=True):
    id: int
    name: str


class Workspaces(msgspec.Struct, frozen=True):
    data: list[Workspace]


class Tag(msgspec.Struct, frozen=True):
    id: int
    name: str


class OneTag(msgspec.Struct, frozen=True):
    data: Tag


class Tags(msgspec.Struct, frozen=True):
    data: list[Tag]


class Success(msgspec.Struct, frozen=True):
    success: bool


class Done(msgspec.Struct, frozen=True):
    """The answer to what changes many, or takes its time."""

    data: Success


class Reasons(msgspec.Struct, frozen=True):
    """`errors` has the complaints about each field. `record_not_found` names what is not there; with an unknown path
    it is null.
    """

    message: str = ""
    errors: dict[str, list[str]] = {}
    record_not_found: msgspec.Raw = msgspec.Raw(b"null")


class Failure(msgspec.Struct, frozen=True):
    """The body of an error answer: Laravel's own, or the same within `data`."""

    message: str = ""
    errors: dict[str, list[str]] = {}
    data: Reasons | None = None

    @property
    def reasons(self) -> Reasons:
        return self.data or Reasons(self.message, self.errors)
