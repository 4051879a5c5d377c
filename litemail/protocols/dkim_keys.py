"""DKIM keys and the TXT records that publish them (RFC 6376 section 3.6.1, RFC 8301, RFC 8463)."""

import base64
import binascii
from enum import StrEnum
from functools import lru_cache

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from litemail.kit.errors import Error, Kind

RSA_BITS = 2048
_RSA_BITS_ACCEPTED = range(1024, 8193)  # RFC 8301 section 3.2; above it, verifying costs more than it says
_ED25519_OCTETS = 32


class Algorithm(StrEnum):
    """The `k=` tag of a key record. In signatures, `a=` is this plus `-sha256`."""

    RSA = "rsa"
    ED25519 = "ed25519"


class MalformedKey(Error):
    kind = Kind.INVALID
    code = "dkim.malformed_key"
    message = "This is not a usable DKIM key: {reason}"


class KeyPair(msgspec.Struct, frozen=True):
    """`private_pem` is PKCS 8 without password; `public_b64` is the `p=` tag."""

    private_pem: bytes
    public_b64: str
    algorithm: Algorithm


class SigningKey(msgspec.Struct, frozen=True):
    """`private_key` is PEM, PKCS 8 or PKCS 1."""

    selector: str
    algorithm: Algorithm
    private_key: bytes


class PublicKey(msgspec.Struct, frozen=True):
    """A key record as read from DNS. `strict_identity` is its flag `t=s`."""

    algorithm: Algorithm
    key: rsa.RSAPublicKey | ed25519.Ed25519PublicKey
    strict_identity: bool = False


def generate_rsa() -> KeyPair:
    """A new key of 2048 bits. Takes 0.05 to 0.5 s of processor time: call it in a thread."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    der = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return KeyPair(_pem(private), base64.b64encode(der).decode(), Algorithm.RSA)


def generate_ed25519() -> KeyPair:
    """A new RFC 8463 key. Its public half is the 32 octets themselves, without ASN.1 around them (section 4.2)."""
    private = ed25519.Ed25519PrivateKey.generate()
    raw = private.public_key().public_bytes_raw()
    return KeyPair(_pem(private), base64.b64encode(raw).decode(), Algorithm.ED25519)


def _pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def txt_name(selector: str, domain: str) -> str:
    """Where the record lives (RFC 6376 section 3.6.2.1), without final dot."""
    return f"{selector}._domainkey.{domain}"


def txt_value(key: KeyPair) -> str:
    """The whole record; cutting it into strings of 255 octets belongs to the wire."""
    return f"v=DKIM1; k={key.algorithm.value}; p={key.public_b64}"


@lru_cache(maxsize=4096)
def load_private(pem: bytes) -> rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey:
    """Parsed keys are kept: reading one costs more than a signature. Raises MalformedKey.

    The primality checks (40 ms a key) are left out: these are keys that we made and kept ourselves.
    """
    try:
        key = serialization.load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MalformedKey(reason="the private key cannot be read") from error
    if not isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise MalformedKey(reason="it is neither RSA nor Ed25519")
    return key


def sign_digest(key: SigningKey, data: bytes) -> bytes:
    """The signature over `data`: RSASSA-PKCS1-v1_5 with SHA-256, or Ed25519 over the SHA-256 of it (RFC 8463)."""
    private = load_private(key.private_key)
    if isinstance(private, rsa.RSAPrivateKey):
        _must_be(key.algorithm, Algorithm.RSA)
        return private.sign(data, padding.PKCS1v15(), hashes.SHA256())
    _must_be(key.algorithm, Algorithm.ED25519)
    return private.sign(_sha256(data))


def _must_be(declared: Algorithm, actual: Algorithm) -> None:
    if declared is not actual:
        raise MalformedKey(reason=f"it is declared as {declared.value} but is {actual.value}")


def signature_is_good(public: PublicKey, signature: bytes, data: bytes) -> bool:
    try:
        if isinstance(public.key, rsa.RSAPublicKey):
            public.key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
        else:
            public.key.verify(signature, _sha256(data))
    except InvalidSignature:
        return False
    return True


def _sha256(data: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize()


def tags(text: str) -> dict[str, str]:
    """A tag=value list (RFC 6376 section 3.2). Raises ValueError for a malformed one or a tag given twice."""
    found: dict[str, str] = {}
    parts = text.split(";")
    if not parts[-1].strip():
        parts.pop()
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not name.replace("_", "").isalnum():
            raise ValueError(f"{part.strip()[:50]!r} is not a tag with a value")
        if name in found:
            raise ValueError(f"{name}= appears more than once")
        found[name] = value.strip()
    return found


def parse_record(text: str) -> PublicKey:
    """Reads a key record. Raises MalformedKey: also for a revoked key and for one that is not for mail."""
    try:
        record = tags(text)
    except ValueError as error:
        raise MalformedKey(reason=str(error)) from error
    if "v" in record and (record["v"] != "DKIM1" or next(iter(record)) != "v"):
        raise MalformedKey(reason="v=DKIM1 must come first")
    if "p" not in record:
        raise MalformedKey(reason="p= is missing")
    if not record["p"]:
        raise MalformedKey(reason="it is revoked")
    if "h" in record and "sha256" not in _list(record["h"]):
        raise MalformedKey(reason="it does not allow sha256")
    if "s" in record and not {"*", "email"} & _list(record["s"]):
        raise MalformedKey(reason="it is not for mail")
    try:
        algorithm = Algorithm(record.get("k", "rsa"))
        octets = base64.b64decode("".join(record["p"].split()), validate=True)
        key = _load_public(algorithm, octets)
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as error:
        raise MalformedKey(reason="the public key cannot be read") from error
    return PublicKey(algorithm, key, strict_identity="s" in _list(record.get("t", "")))


def _list(value: str) -> set[str]:
    return {item.strip() for item in value.split(":")}


@lru_cache(maxsize=4096)
def _load_public(algorithm: Algorithm, octets: bytes) -> rsa.RSAPublicKey | ed25519.Ed25519PublicKey:
    if algorithm is Algorithm.ED25519:
        if len(octets) != _ED25519_OCTETS:
            raise ValueError("an Ed25519 key has 32 octets")
        return ed25519.Ed25519PublicKey.from_public_bytes(octets)
    key = serialization.load_der_public_key(octets)
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("not an RSA key")  # noqa: TRY004 - it is data that is wrong, not a program
    if key.key_size not in _RSA_BITS_ACCEPTED:
        raise ValueError("too short or too long")
    return key
