"""Mail that leaves: through the operator's relay, else as files in an outbox folder."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiosmtplib
import msgspec

from litemail.kit.errors import Error, Kind

_SECONDS = 60.0
_PORTS = {"smtp": 25, "smtps": 465}
_TEMPORARY = range(400, 500)


class BadRelay(Error):
    code = "relay.malformed"
    message = "The relay {reason}."
    action = "Write it as smtp://user:password@host:587, or smtps:// for TLS from the first byte."


class RelayUnavailable(Error):
    kind = Kind.UNAVAILABLE
    code = "relay.unavailable"
    message = "The relay does not take mail now: {reason}"
    retryable = True


class RelayRefused(Error):
    """For good: the same message will be refused again. `reason` is what the relay said."""

    kind = Kind.INVALID
    code = "relay.refused"
    message = "The relay refused the message: {reason}"


class Mail(msgspec.Struct, frozen=True):
    """A message with CRLF line ends and its envelope. `sender` is empty for a bounce. `id` names its file."""

    id: str
    sender: str
    recipient: str
    message: bytes


class Relay(msgspec.Struct, frozen=True):
    """Without a password TLS is used where the relay offers it, with one it must."""

    host: str
    port: int
    tls: bool
    username: str | None = None
    password: str | None = None


@dataclass(frozen=True)
class Mailer:
    """`hostname` is what we call ourselves at the relay."""

    outbox: Path
    relay: Relay | None = None
    hostname: str = "localhost"

    async def send(self, mail: Mail, *, outside: bool) -> None:
        """Hands the mail over. What must not go `outside`, and all without a relay, becomes `<id>.eml` in the outbox.

        Sending again may send twice through a relay; in the outbox there is one. Raises RelayUnavailable, RelayRefused.
        """
        if self.relay is None or not outside:
            await asyncio.to_thread(_write, self.outbox, mail)
        else:
            await _hand_over(mail, self.relay, self.hostname)


def parse_relay(url: str) -> Relay:
    """Raises BadRelay, which does not show the URL: it holds a password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadRelay(reason="has a malformed port or host") from None
    if parts.scheme not in _PORTS:
        raise BadRelay(reason="must start with smtp:// or smtps://")
    if not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise BadRelay(reason="must have a host, and nothing after host and port")
    if bool(parts.username) != bool(parts.password):
        raise BadRelay(reason="must have a user with a password, or neither")
    return Relay(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        tls=parts.scheme == "smtps",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


async def _hand_over(mail: Mail, relay: Relay, hostname: str) -> None:
    try:
        await aiosmtplib.send(
            mail.message,
            sender=mail.sender,
            recipients=[mail.recipient],
            hostname=relay.host,
            port=relay.port,
            username=relay.username,
            password=relay.password,
            use_tls=relay.tls,
            start_tls=True if relay.password and not relay.tls else None,
            local_hostname=hostname,
            timeout=_SECONDS,
        )
    except aiosmtplib.SMTPRecipientsRefused as error:
        raise _said(error.recipients[0]) from error
    except aiosmtplib.SMTPResponseException as error:
        raise _said(error) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise RelayUnavailable(reason=" ".join(str(error).split())[:300]) from error


def _said(error: aiosmtplib.SMTPResponseException) -> Error:
    """A refused sign-in is the operator's trouble, not the message's."""
    reason = f"{error.code} {' '.join(error.message.split())}"[:300]
    if error.code in _TEMPORARY or isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return RelayUnavailable(reason=reason)
    return RelayRefused(reason=reason)


def _write(folder: Path, mail: Mail) -> None:
    """The whole file or none, the envelope on top as mail servers write it at delivery."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = folder / f".{mail.id}.{os.getpid()}"
    envelope = f"Return-Path: <{mail.sender}>\r\nEnvelope-To: {mail.recipient}\r\n"
    part.write_bytes(envelope.encode() + mail.message)
    part.replace(folder / f"{mail.id}.eml")
