"""What becomes of a message that is to go on: it does, or it stays, or it is refused."""

import re

from litemail.protocols.header_fields import MalformedHeader, Message, parse
from litemail.servers.smtp.connection import Transaction
from litemail.servers.smtp.interface import Forward

MOST_HOPS = 50
"""Received fields; RFC 5321 section 6.3 wants at least 100 for what is taken, and this only goes on further."""
_SPAM = {
    "x-spam-flag": re.compile(rb"\s*yes\b", re.IGNORECASE),  # SpamAssassin, and what follows it
    "x-spam-status": re.compile(rb"\s*yes\b", re.IGNORECASE),
    "x-spam": re.compile(rb"\s*(yes|true)\b", re.IGNORECASE),  # rspamd
}


def delivered_to(forward: Forward) -> bytes:
    """The field by which a message that comes back is known."""
    return f"Delivered-To: {forward.address}\r\n".encode()


def settle(transaction: Transaction, content: bytes) -> str | None:
    """Takes out of the transaction what may not go on, for those who get it instead; the reply when nobody is left."""
    if not transaction.forwards:
        return None
    try:
        message = parse(content)
    except MalformedHeader:
        message = Message((), b"")
    reason = None
    for key, forward in list(transaction.forwards.items()):
        against = _reason_against(message, forward)
        if against is not None:
            reason = against
            del transaction.forwards[key]
            if forward.instead is not None:
                transaction.deliveries[forward.instead.mailbox_id] = forward.instead
    return reason if not (transaction.forwards or transaction.deliveries) else None


def _reason_against(message: Message, forward: Forward) -> str | None:
    if any(pattern.match(field.value) for name, pattern in _SPAM.items() for field in message.all(name)):
        return "550 5.7.1 Mail that is marked as spam is not forwarded"
    if len(message.all("received")) > MOST_HOPS:
        return "550 5.4.6 The message has been through too many servers"
    own = delivered_to(forward).partition(b":")[2].strip()
    if any(field.value.strip().lower() == own for field in message.all("delivered-to")):
        return "550 5.4.6 The message was forwarded from this address before"
    return None
