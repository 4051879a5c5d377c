"""What a platform says may be shown and kept only without secrets and cut to a bound."""

import json
from collections.abc import Iterable
from urllib.parse import quote

REDACTED = "[redacted]"
_SHORT = 4
WORDS = 300
BODY = 2_000


def redact(text: str, secrets: Iterable[str], *, bound: int = BODY) -> str:
    """The text without the secrets, however they may be written in it (plain, in JSON, in a URL), at most `bound` long.

    A secret too short to be told from ordinary words hides the whole text it occurs in.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        for form in {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret, "")}:
            if form in text:
                if len(secret) < _SHORT:
                    return REDACTED
                text = text.replace(form, REDACTED)
    printable = "".join(character if character.isprintable() else " " for character in text)
    return printable if len(printable) <= bound else printable[: bound - 1] + "…"
