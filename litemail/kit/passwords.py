"""Passwords. People choose weak ones, so theirs cost time to try (argon2id); generated ones need no such cost."""

import asyncio
import base64
import hashlib
import hmac
import os
import re
import secrets
import string

import argon2

ARGON2 = argon2.PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
"""RFC 9106 section 4, second recommended option, on one lane: about 0.1 s and 64 MiB."""

_ALPHABET = "".join(c for c in string.ascii_letters + string.digits if c not in "0O1lIoi")
_USED = 256 - 256 % len(_ALPHABET)
_LETTERS = bytes(ord(_ALPHABET[byte % len(_ALPHABET)]) for byte in range(256))
_LEFT_OUT = bytes(range(_USED, 256))
_HAS_ALL = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])").match

_two_at_once = asyncio.Semaphore(2)
_nobody = ""


def generate(length: int = 20) -> str:
    """A password of letters and digits without look-alikes: 20 of 55 characters are 115 bits."""
    while True:
        # A random byte is a letter of the alphabet, all as likely, or it is left out: many times as quick as choosing
        # letter by letter, and exports make passwords by the hundred thousand.
        password = os.urandom(4 * length).translate(_LETTERS, _LEFT_OUT)[:length].decode()
        if len(password) == length and _HAS_ALL(password):
            return password


async def hash_chosen(password: str) -> str:
    """argon2id for a password that a person chose, in a thread, two at once (64 MiB each)."""
    async with _two_at_once:
        return await asyncio.to_thread(ARGON2.hash, password)


def hash_generated(password: str) -> str:
    """`{SSHA512}`, which Dovecot reads: base64 of SHA-512(password + salt) + salt."""
    salt = os.urandom(8)
    return "{SSHA512}" + base64.b64encode(hashlib.sha512(password.encode() + salt).digest() + salt).decode()


async def verify(stored: str | None, password: str) -> bool:
    """Compares with a stored hash of either kind. `None`, an account that does not exist, costs the same time."""
    if stored is not None and stored.startswith("{SSHA512}"):
        raw = base64.b64decode(stored.removeprefix("{SSHA512}"))
        digest, salt = raw[:64], raw[64:]
        return hmac.compare_digest(digest, hashlib.sha512(password.encode() + salt).digest())
    async with _two_at_once:
        return await asyncio.to_thread(_verify_argon2, stored, password)


def _verify_argon2(stored: str | None, password: str) -> bool:
    global _nobody  # noqa: PLW0603 - made once, on first need
    if stored is None:
        _nobody = _nobody or ARGON2.hash(secrets.token_hex())
    try:
        ARGON2.verify((stored or _nobody).removeprefix("{ARGON2ID}"), password)
    except argon2.exceptions.VerificationError:
        return False
    return stored is not None
