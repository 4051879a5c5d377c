"""ARC (RFC 8617): a forwarder says what it found when a message came, and signs it.

A set has three fields with an instance number `i=`: ARC-Authentication-Results (what was found), ARC-Message-Signature
(the message as it goes on, as DKIM does it) and ARC-Seal (all sets so far). Receivers that trust the forwarder can
believe a message whose own signature or SPF did not survive.
"""

import asyncio
import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from litemail.protocols import dkim_canonical as canonical
from litemail.protocols.dkim import IN_THREAD_FROM, LOOKUP_SECONDS, OVERSIGNED, SIGNED, LookupFailed, TxtLookup, folded
from litemail.protocols.dkim_canonical import Canonical
from litemail.protocols.dkim_keys import (
    Algorithm,
    MalformedKey,
    PublicKey,
    SigningKey,
    parse_record,
    sign_digest,
    signature_is_good,
    tags,
    txt_name,
)
from litemail.protocols.header_fields import Field, Message, parse, unfold

MAX_SETS = 50  # section 4.2.1
_RESULTS, _SIGNATURE, _SEAL = "arc-authentication-results", "arc-message-signature", "arc-seal"
_NAMES = (_RESULTS, _SIGNATURE, _SEAL)
_INSTANCE = re.compile(r"\s*i\s*=\s*(\d{1,2})\s*;")
_ALGORITHM = "rsa-sha256"


class Verdict(StrEnum):
    """The chain validation status, `cv=` (section 4.4)."""

    NONE = "none"
    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"


class Chain(msgspec.Struct, frozen=True):
    """The sets that a message has, oldest first, and whether they can be believed.

    `closed`: none may be added, because there are too many, or the chain was broken before it came here.
    """

    verdict: Verdict
    sets: tuple[Mapping[str, Field], ...] = ()
    closed: bool = False


class _Broken(Exception):
    """The chain cannot be believed."""


async def validate(message: bytes, *, txt_lookup: TxtLookup) -> Chain:
    """Section 5.2. `txt_lookup` is that of `dkim.verify`. A key that cannot be had now makes it fail. Raises
    MalformedHeader.
    """
    parsed = parse(message)
    try:
        sets = _sets(parsed)
    except _Broken:
        return Chain(Verdict.FAIL, closed=True)
    if not sets:
        return Chain(Verdict.NONE)
    try:
        names = {_key_name(one[name]) for one in sets for name in (_SEAL, _SIGNATURE)}
        keys = dict(zip(names, await asyncio.gather(*(_key(name, txt_lookup) for name in names)), strict=True))
        if len(message) >= IN_THREAD_FROM:
            await asyncio.to_thread(_check, parsed, sets, keys)
        else:
            _check(parsed, sets, keys)
    except _Broken:
        return Chain(Verdict.FAIL, sets, closed=len(sets) == MAX_SETS or _says_fail(sets[-1][_SEAL]))
    return Chain(Verdict.PASS, sets, closed=len(sets) == MAX_SETS)


def seal(message: bytes, *, results: str, chain: Chain, domain: str, key: SigningKey, now: datetime) -> bytes:
    """The message with one more set on top (section 5.1). `results` is the value of an Authentication-Results field,
    `chain` what `validate` said of this very message, `key` an RSA key of `domain`. A closed chain stays as it is.

    Raises MalformedHeader, MalformedKey.
    """
    if chain.closed:
        return message
    parsed = parse(message)
    instance = len(chain.sets) + 1
    found = _field(f"ARC-Authentication-Results: i={instance}; {results}".encode())
    signature = _field(_message_signature(parsed, instance, domain=domain, key=key, now=now))
    about = f"i={instance}; a={_ALGORITHM}; t={int(now.timestamp())}; cv={chain.verdict};"
    unsigned = f"ARC-Seal: {about}\r\n d={domain}; s={key.selector};\r\n b=".encode()
    # Section 5.1.2: of a broken chain only the new set is signed.
    before = () if chain.verdict is Verdict.FAIL else chain.sets
    fields = [one[name] for one in before for name in _NAMES] + [found, signature]
    sealed = folded(unsigned, sign_digest(key, _seal_input(fields, unsigned)))
    return sealed + signature.raw + found.raw + message


def _message_signature(message: Message, instance: int, *, domain: str, key: SigningKey, now: datetime) -> bytes:
    present = {field.name for field in message.fields}
    names = [name for name in (*OVERSIGNED, *SIGNED, "dkim-signature") if name in present]
    body_hash = base64.b64encode(hashlib.sha256(canonical.body(message.body, Canonical.RELAXED)).digest()).decode()
    unsigned = "\r\n".join(
        (
            f"ARC-Message-Signature: i={instance}; a={_ALGORITHM}; c=relaxed/relaxed;",
            f" d={domain}; s={key.selector}; t={int(now.timestamp())};",
            f" h={':'.join(names[:6])}" + "".join(f"\r\n  :{name}" for name in names[6:]) + ";",
            f" bh={body_hash};",
            " b=",
        )
    ).encode()
    data = canonical.header_input(message.fields, names=names, signature=unsigned, method=Canonical.RELAXED)
    return folded(unsigned, sign_digest(key, data))


def _field(raw: bytes) -> Field:
    raw = raw if raw.endswith(b"\r\n") else raw + b"\r\n"
    return Field(raw.partition(b":")[0].decode().lower(), raw)


def _sets(message: Message) -> tuple[Mapping[str, Field], ...]:
    """Raises _Broken unless there is one of each field for each instance from 1 on."""
    sets: dict[int, dict[str, Field]] = {}
    for field in message.fields:
        if field.name in _NAMES:
            instance = _INSTANCE.match(unfold(field.value).decode("latin-1"))
            number = int(instance[1]) if instance else int(_tags_of(field).get("i", "0") or "0")
            if field.name in sets.setdefault(number, {}):
                raise _Broken
            sets[number][field.name] = field
    if len(sets) > MAX_SETS or sorted(sets) != list(range(1, len(sets) + 1)):
        raise _Broken
    if any(len(one) != len(_NAMES) for one in sets.values()):
        raise _Broken
    return tuple(sets[number] for number in sorted(sets))


def _tags_of(field: Field) -> dict[str, str]:
    """Raises _Broken."""
    try:
        return tags(unfold(field.value).decode("ascii"))
    except ValueError as error:
        raise _Broken from error


def _says_fail(seal_field: Field) -> bool:
    try:
        return _tags_of(seal_field).get("cv") == Verdict.FAIL
    except _Broken:
        return True


def _key_name(field: Field) -> str:
    found = _tags_of(field)
    if not found.get("s") or not found.get("d"):
        raise _Broken
    return txt_name(found["s"], found["d"].lower())


async def _key(name: str, txt_lookup: TxtLookup) -> PublicKey:
    try:
        async with asyncio.timeout(LOOKUP_SECONDS):
            text = await txt_lookup(name)
        return parse_record(text or "")
    except (LookupFailed, OSError, MalformedKey) as error:
        raise _Broken from error


def _check(message: Message, sets: Sequence[Mapping[str, Field]], keys: Mapping[str, PublicKey]) -> None:
    """Raises _Broken. The newest message signature and all seals have to be right (section 5.2)."""
    for index, one in enumerate(sets):
        if _tags_of(one[_SEAL]).get("cv") != (Verdict.PASS if index else Verdict.NONE):
            raise _Broken
    newest = sets[-1][_SIGNATURE]
    found = _tags_of(newest)
    header, _, body = found.get("c", "simple/simple").partition("/")
    try:
        digest = hashlib.sha256(canonical.body(message.body, Canonical(body or "simple"))).digest()
        method = Canonical(header)
    except ValueError as error:
        raise _Broken from error
    names = [name.strip().lower() for name in found.get("h", "").split(":")]
    if _base64(found.get("bh", "")) != digest or _SEAL in names or "l" in found:
        raise _Broken
    _verify(newest, canonical.header_input(message.fields, names=names, signature=newest.raw, method=method), keys)
    for index, one in enumerate(sets):
        before = [earlier[name] for earlier in sets[:index] for name in _NAMES]
        fields = [*before, one[_RESULTS], one[_SIGNATURE]]
        _verify(one[_SEAL], _seal_input(fields, one[_SEAL].raw), keys)


def _verify(field: Field, data: bytes, keys: Mapping[str, PublicKey]) -> None:
    found, key = _tags_of(field), keys[_key_name(field)]
    if found.get("a") != _ALGORITHM or key.algorithm is not Algorithm.RSA:
        raise _Broken
    if not signature_is_good(key, _base64(found.get("b", "")), data):
        raise _Broken


def _base64(value: str) -> bytes:
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except binascii.Error as error:
        raise _Broken from error


def _seal_input(fields: Sequence[Field], own: bytes) -> bytes:
    """What a seal signs (section 5.1.1): the fields of the sets so far, then itself without its `b=`."""
    signed = b"".join(canonical.field(field.raw, Canonical.RELAXED) for field in fields)
    return signed + canonical.field(canonical.without_signature(own), Canonical.RELAXED).rstrip(b"\r\n")
