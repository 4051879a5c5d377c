"""Signatures of webhooks, as Standard Webhooks has them: HMAC-SHA256 over id, time and body.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

TOLERANCE = 300.0
"""Seconds that the time in a signature may be away from the receiver's."""


def sign(body: bytes, *, message_id: str, secret: bytes, now: datetime) -> dict[str, str]:
    """The three headers that go with a body. A message sent again keeps its id and gets a new time."""
    timestamp = str(int(now.timestamp()))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{_signature(body, message_id, timestamp, secret)}",
    }


def fault(headers: Mapping[str, str], body: bytes, *, secret: bytes, now: datetime) -> str | None:
    """What is wrong with a signature, in words that end a sentence; None when it is good. Names in lower case."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "")
    if not (message_id and given and given.isascii() and message_id.isascii()):
        return "there is no signature"
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):  # noqa: PLR2004 - thousands of years
        return "its time is malformed"
    wanted = f"v1,{_signature(body, message_id, timestamp, secret)}"
    if not any(hmac.compare_digest(wanted, one) for one in given.split(" ")):
        return "the signature is wrong"
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE:
        return "it was signed at another time"
    return None


def _signature(body: bytes, message_id: str, timestamp: str, secret: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
