"""What a platform says may be shown and kept only without secrets and cut to a bound."""

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote

REDACTED = "[redacted]"
_SHORT = 4
WORDS = 300
BODY = 2_000
_SECRET_FIELDS = re.compile(
    r"""("(?:\w*password|pass|api_?key|\w*token)"\s*:\s*)"(?:[^"\\]|\\.)*"?""", re.IGNORECASE | re.DOTALL
)
"""Some platforms show the passwords of inboxes that are there: Smartlead those of all, in Base64 or plain."""


def redact(text: str, secrets: Iterable[str], *, bound: int = BODY) -> str:
    """The text without the secrets, however they may be written in it (plain, in JSON, in a URL), and without the
    values of JSON fields that hold secrets anywhere; at most `bound` long.

    A secret too short to be told from ordinary words hides the whole text it occurs in.
    """
    text = _SECRET_FIELDS.sub(rf'\1"{REDACTED}"', text)
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        for form in _forms(secret):
            if form in text:
                if len(secret) < _SHORT:
                    return REDACTED
                text = text.replace(form, REDACTED)
    printable = "".join(character if character.isprintable() else " " for character in text)
    return printable if len(printable) <= bound else printable[: bound - 1] + "…"


def _forms(secret: str) -> set[str]:
    """As it is, escaped in JSON (also within a text within JSON), in a URL, and as SMTP's AUTH LOGIN sends it."""
    forms = {secret}
    for _ in range(2):
        forms |= {json.dumps(form)[1:-1] for form in forms} | {
            json.dumps(form, ensure_ascii=False)[1:-1] for form in forms
        }
    return forms | {quote(secret, ""), base64.b64encode(secret.encode()).decode().rstrip("=")}
