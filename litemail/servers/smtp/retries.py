"""Who already has a message whose sender was not told so, and will send it again.

SMTP has one reply for all recipients of a message. When some mailboxes got it and others did not, the reply is
temporary and the client sends all of it again; the same when the connection breaks before the reply. What is
remembered here keeps a mailbox from getting the message twice. Messages that went well leave no memory: who sends
the same octets again on purpose has a second copy. It is memory of one process: after a restart a message can be
there twice, never be lost.
"""

import hashlib
from collections import OrderedDict

LIFETIME = 6 * 3600.0  # seconds; retries of common servers come within minutes to a few hours
CAPACITY = 100_000


class StillDelivering(Exception):
    """The message came again while its first coming, whose client is gone, is being stored."""


class RetryMemory:
    """`key` is a message's `fingerprint`, `now` any steady clock in seconds."""

    def __init__(self) -> None:
        self._delivered: OrderedDict[tuple[bytes, str], float] = OrderedDict()
        self._held: set[tuple[bytes, str]] = set()

    def __len__(self) -> int:
        return len(self._delivered) + len(self._held)

    def needed(self, key: bytes, mailbox_ids: set[str], *, now: float) -> set[str]:
        """The mailboxes that do not have the message yet. Raises StillDelivering."""
        while self._delivered and next(iter(self._delivered.values())) < now - LIFETIME:
            self._delivered.popitem(last=False)
        wanted = {(key, mailbox_id) for mailbox_id in mailbox_ids}
        if wanted & self._held:
            raise StillDelivering
        return {mailbox_id for _, mailbox_id in wanted - self._delivered.keys()}

    def hold(self, key: bytes, mailbox_ids: set[str]) -> None:
        """The client is gone while the message is being stored for these; until `release`."""
        self._held |= {(key, mailbox_id) for mailbox_id in mailbox_ids}

    def release(self, key: bytes, mailbox_ids: set[str]) -> None:
        self._held -= {(key, mailbox_id) for mailbox_id in mailbox_ids}

    def remember(self, key: bytes, mailbox_ids: set[str], *, now: float) -> None:
        """These have the message, and the client does not know."""
        self._delivered.update({(key, mailbox_id): now for mailbox_id in mailbox_ids})
        while len(self._delivered) > CAPACITY:
            self._delivered.popitem(last=False)

    def forget(self, key: bytes, mailbox_ids: set[str]) -> None:
        """These have the message, and the client is being told."""
        for mailbox_id in mailbox_ids:
            self._delivered.pop((key, mailbox_id), None)


def fingerprint(reverse_path: str, content: bytes) -> bytes:
    """The same for a message that is sent again, whoever its recipients are."""
    digest = hashlib.sha256(reverse_path.encode() + b"\0")
    digest.update(content)
    return digest.digest()
