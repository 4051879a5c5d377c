"""Secrets at rest: AES-256-GCM under named master keys, and keyed hashes.

A sealed value is `<key id>.` + 12 bytes nonce + ciphertext and tag. The id of the row that holds it is the
associated data, so a value copied to another row does not open. New values use the current key; old keys only
open, so keys rotate without downtime (NIST SP 800-38D for GCM, RFC 5869 for the derived keys).
"""

import base64
import hashlib
import hmac
import os
import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from litemail.kit.errors import Error

_NONCE = 12


class SecretUnreadable(Error):
    code = "secret.unreadable"
    message = "A stored secret cannot be opened: {reason}."
    action = "Put the master key that sealed it back into the settings."


@dataclass(frozen=True)
class Secrets:
    """The master keys. The first one seals; all of them open."""

    keys: Mapping[str, bytes] = field(repr=False)

    def __post_init__(self) -> None:
        if not self.keys:
            raise ValueError("there is none")
        for key_id, key in self.keys.items():
            if len(key) != 32 or not key_id or not key_id.isascii() or "." in key_id:  # noqa: PLR2004 - 256 bits
                raise ValueError("a master key is 32 bytes with a name of ASCII characters without dots")

    def seal(self, plain: str, *, row: str) -> bytes:
        key_id, key = next(iter(self.keys.items()))
        nonce = os.urandom(_NONCE)
        return key_id.encode() + b"." + nonce + _cipher(key).encrypt(nonce, plain.encode(), row.encode())

    def open(self, sealed: bytes, *, row: str) -> str:
        key_id, _, rest = sealed.partition(b".")
        key = self.keys.get(key_id.decode("ascii", "replace"))
        if key is None:
            raise SecretUnreadable(reason=f"master key {key_id!r} is not known")
        try:
            return _cipher(key).decrypt(rest[:_NONCE], rest[_NONCE:], row.encode()).decode()
        except (InvalidTag, ValueError):  # the latter where not even a nonce is left
            raise SecretUnreadable(reason="it was changed or belongs to another row") from None

    def mac(self, purpose: str, data: str | bytes) -> bytes:
        """A keyed hash for look-ups and comparisons. It must not change when a key is added: the last key, the oldest,
        makes it.
        """
        raw = data.encode() if isinstance(data, str) else data
        return hmac.digest(self.derive(purpose), raw, hashlib.sha256)

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose, from the oldest master key."""
        oldest = list(self.keys.values())[-1]
        return hmac.digest(oldest, b"litemail/" + purpose.encode(), hashlib.sha256)


@lru_cache(maxsize=64)
def _cipher(key: bytes) -> AESGCM:
    """Making one takes longer than a value does: exports open them by the million."""
    return AESGCM(key)


def load_or_create_keys(path: Path) -> Mapping[str, bytes]:
    """The master keys of a file with one `name:base64` a line, newest first; made on the first start, mode 0600."""
    if not path.exists():
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.unlink(missing_ok=True)  # a killed start may have left one behind, readable to whom it likes
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"k1:{base64.b64encode(random.token_bytes(32)).decode()}\n")
        try:
            os.link(fresh, path)  # fails when another process was first, whose key then counts
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return parse_keys(path.read_text())


def parse_keys(text: str) -> Mapping[str, bytes]:
    """Reads `name:base64`, newest first, separated by commas or line ends. Raises ValueError, without the keys."""
    keys: dict[str, bytes] = {}
    for entry in text.replace(",", "\n").split():
        name, colon, value = entry.partition(":")
        if not colon:
            raise ValueError("a key has no name")
        if name in keys:
            raise ValueError(f"two keys are called {name}")
        keys[name] = base64.b64decode(value, validate=True)
    return keys


def token(prefix: str = "") -> str:
    """A fresh secret of 32 random bytes, URL-safe."""
    return prefix + random.token_urlsafe(32)


def token_hash(text: str) -> bytes:
    """SHA-256 is enough for secrets with 256 bits of entropy."""
    return hashlib.sha256(text.encode()).digest()
