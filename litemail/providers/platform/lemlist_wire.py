"""lemlist's API as it goes over the wire: what we send, and what we read of its answers."""

import msgspec


class AddAccount(msgspec.Struct, frozen=True):
    """Body of `POST /api/user/email-accounts`. `secure` means TLS from the start; without it, STARTTLS."""

    sender_name: str
    sender_email: str
    smtp_host: str
    smtp_port: int
    smtp_login: str
    smtp_password: str
    smtp_secure: bool
    imap_host: str
    imap_port: int
    imap_login: str
    imap_password: str
    imap_secure: bool


class Added(msgspec.Struct, frozen=True):
    """In the vendor's examples this id begins with `umx_`, that of a mailbox in its team with `usm_`: so inboxes are
    found by address, and each id is used as it came.
    """

    id: str
    email: str


class Side(msgspec.Struct, frozen=True):
    success: bool
    error: str = ""


class Tested(msgspec.Struct, frozen=True):
    """Answer of `POST /api/user/email-accounts/{id}/test`: each side is tried by itself."""

    smtp: Side
    imap: Side


class Done(msgspec.Struct, frozen=True):
    ok: bool


class Team(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="_id")
    user_ids: list[str] = msgspec.field(name="userIds")
    name: str = ""


class Sending(msgspec.Struct, frozen=True):
    email_limit: int | None = msgspec.field(name="emailLimit", default=None)


class Warming(msgspec.Struct, frozen=True):
    active: bool = False


class Mailbox(msgspec.Struct, frozen=True):
    """What we read of a mailbox. Of those that nobody asked for, an unknown status must do no harm: so it is text."""

    id: str = msgspec.field(name="_id")
    email: str
    status: str
    lemlist: Sending = Sending()
    lemwarm: Warming = Warming()


class User(msgspec.Struct, frozen=True):
    """A member of the team. One without mailboxes may come without the field."""

    id: str = msgspec.field(name="_id")
    mailboxes: list[Mailbox] = []
