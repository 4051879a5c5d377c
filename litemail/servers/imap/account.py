"""What the IMAP server asks of whoever knows the accounts."""

from pathlib import Path
from typing import Protocol

import msgspec

from litemail.kit.errors import Error, Kind


class Account(msgspec.Struct, frozen=True):
    """A signed-in mailbox and the root of its Maildir++ (made when it is missing)."""

    mailbox_id: str
    folder: Path


class SignInRefused(Error):
    """The answer to a sign-in. `text` goes verbatim into the tagged NO.

    `code` is the response code before it (RFC 5530), none when the text begins with its own, `[ALERT] ...`.
    """

    kind = Kind.UNAUTHENTICATED
    code = "imap.sign_in_refused"
    message = "{text}"

    def __init__(self, text: str, code: str | None = "AUTHENTICATIONFAILED") -> None:
        super().__init__(text=text)
        self.text = text
        self.response_code = None if text.startswith("[") else code


class SignInStalled(Error):
    """The backend gives no answer on purpose: nothing is sent, until the client leaves or its time is over."""

    kind = Kind.UNAVAILABLE
    code = "imap.sign_in_stalled"
    message = "The sign-in gets no answer."


class Backend(Protocol):
    """Signs in. Called once for each LOGIN or AUTHENTICATE PLAIN, always under TLS."""

    async def sign_in(self, *, username: str, password: str, peer: str, tls_name: str | None) -> Account:
        """The account of these credentials.

        `peer`: the client's IP address. `tls_name`: the host name that it asked for in TLS (SNI), in lower case.
        It is cancelled when the client leaves or after the time for sign-ins. Raises SignInRefused, SignInStalled.
        """
        ...


class Limits(msgspec.Struct, frozen=True):
    """What one client may use. Times in seconds, sizes in bytes."""

    connections: int = 2000
    connections_per_peer: int = 500
    sign_ins: int = 5
    line: int = 64 * 1024
    literal: int = 50 * 1000 * 1000
    literal_before_sign_in: int = 4096
    before_sign_in_seconds: float = 60
    idle_seconds: float = 30 * 60
    stalled_seconds: float = 60
    handshake_seconds: float = 10
    closing_seconds: float = 5
