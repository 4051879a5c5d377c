"""What the SMTP servers ask of the program around them."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import msgspec

from litemail.protocols.address import Address
from litemail.protocols.dkim import SigningKey


class Delivery(msgspec.Struct, frozen=True):
    """One mailbox that gets the message. `folder` is its Maildir."""

    mailbox_id: str
    folder: Path


class Forward(msgspec.Struct, frozen=True, kw_only=True):
    """The message goes on to `target`, because of `address`. `instead` is who gets it when it cannot go on.

    What belongs to the backend (`rule_id`, `domain_id`, `workspace_id`) the engine only hands back.
    """

    address: Address
    target: str
    rule_id: str
    domain_id: str
    workspace_id: str
    instead: Delivery | None = None

    @property
    def key(self) -> str:
        return f"{self.rule_id} {self.target}"


class Deliver(msgspec.Struct, frozen=True):
    """The address is ours. Neither deliveries nor forwards: the message is taken and dropped."""

    deliveries: tuple[Delivery, ...] = ()
    forwards: tuple[Forward, ...] = ()


class Outgoing(msgspec.Struct, frozen=True):
    """A message that goes on: as it came, our trace fields on top. `results` is what was found about its signatures,
    the value of an Authentication-Results field; `reverse_path` who sent it, empty for a bounce.
    """

    message: bytes
    results: str
    reverse_path: str


class Reason(StrEnum):
    """Why an address takes no mail, and the reply (RFC 3463) that says so."""

    UNKNOWN_USER = "550 5.1.1"
    FOREIGN_DOMAIN = "550 5.7.1"
    DISABLED = "550 5.2.1"
    FULL = "452 4.2.2"
    UNAVAILABLE = "451 4.3.0"


class Refuse(msgspec.Struct, frozen=True):
    """`text` follows the code in the reply: ASCII, one line. Empty: the server's own words."""

    reason: Reason
    text: str = ""


Route = Deliver | Refuse


class Sender(msgspec.Struct, frozen=True):
    """Who signed in. `mailbox_id` and `username` belong to the backend; the engine only hands them back."""

    mailbox_id: str
    username: str


class SignInRefused(Exception):
    """`reply` is sent verbatim: `535 5.7.8 ...`, or several lines of one reply parted by line ends."""

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply


class OverLimit(Exception):
    """A limit for outgoing mail is reached. `reply` is sent verbatim: `450 4.7.1 ...`."""

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply


class CannotForward(Exception):
    """The message cannot go on now; the text says why."""


class MxBackend(Protocol):
    """Any other exception than the named ones is logged and answered with a temporary error."""

    async def route(self, address: Address) -> Route:
        """Who gets mail to this address."""
        ...

    async def deliver(self, delivery: Delivery, message: bytes) -> None:
        """Stores the message; when this returns, it survives a crash. Called for several mailboxes at a time."""
        ...

    async def forward(self, forward: Forward, outgoing: Outgoing) -> None:
        """Takes the message to be sent on; when this returns, it survives a crash. Raises CannotForward."""
        ...

    async def txt(self, name: str) -> str | None:
        """The TXT record of a DKIM key, its strings joined. See `dkim.verify` for the errors."""
        ...


class SubmissionBackend(MxBackend, Protocol):
    async def sign_in(self, *, username: str, password: str, peer: str, tls_name: str | None) -> Sender:
        """Raises SignInRefused. `peer` is the client's IP address, `tls_name` the SNI name that it asked for."""
        ...

    async def may_send_as(self, sender: Sender, address: Address) -> bool: ...

    async def signing_keys(self, domain: str) -> Sequence[SigningKey]:
        """The DKIM keys of a sender's domain; empty: the message goes out unsigned."""
        ...

    async def admit(self, sender: Sender, recipients: int) -> None:
        """Counts a message that is about to be taken. Raises OverLimit."""
        ...
