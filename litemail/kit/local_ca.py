"""A certificate authority of our own for our own listeners, and the TLS contexts that go with it.

All functions block for a few milliseconds: they make EC keys and read and write small files.
"""

import fcntl
import hashlib
import ipaddress
import os
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from weakref import WeakKeyDictionary

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from litemail.kit import clock

CA_LIFETIME = timedelta(days=3653)
LEAF_LIFETIME = timedelta(days=397)  # what today's clients take at most from any authority
LEAF_RENEWED_BEFORE = timedelta(days=60)
_BACKDATED = timedelta(hours=1)  # clocks of other machines

_requested_names: WeakKeyDictionary[ssl.SSLObject, str] = WeakKeyDictionary()


class LocalCa(msgspec.Struct, frozen=True):
    """The authority in a folder. Made by `ensure`. Give `ca_file` to clients that must trust our listeners."""

    folder: Path

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    def server_context(self, names: Sequence[str], *, now: datetime | None = None) -> ssl.SSLContext:
        """A context whose certificate holds for these DNS names and IP addresses; it remembers the SNI name.

        The certificate is kept, and made anew for other names, another authority, or near its end. `now` is the clock
        unless given.
        """
        moment = now or clock.now()
        stem = hashlib.sha256("\n".join(sorted(set(names))).encode()).hexdigest()[:16]
        leaf = self.folder / f"leaf-{stem}.pem"
        with _locked(self.folder):
            if not _still_good(leaf, authority=self.ca_file, now=moment):
                _write_secret(leaf, _issue(self.folder, sorted(set(names)), now=moment))
            context = _modern(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
            context.load_cert_chain(leaf)
        remember_requested_names(context)
        return context

    def client_context(self) -> ssl.SSLContext:
        """A context that trusts the public roots and this authority. Make one and share it: the roots take 20 ms."""
        context = _modern(ssl.create_default_context())
        context.load_verify_locations(self.ca_file)
        return context


def ensure(folder: Path, *, now: datetime | None = None) -> LocalCa:
    """The authority in this folder, made at the first call. Safe when several processes do it at once."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = LocalCa(folder)
    with _locked(folder):
        if not authority.ca_file.exists() or not (folder / "ca.key").exists():
            _make_authority(folder, now=now or clock.now())
    return authority


def remember_requested_names(context: ssl.SSLContext) -> None:
    """From now on `requested_name` knows the SNI name of each connection of this server context (RFC 6066)."""

    def remember(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name and isinstance(connection, ssl.SSLObject):
            _requested_names[connection] = name.lower()

    context.sni_callback = remember


def requested_name(connection: ssl.SSLObject | None) -> str | None:
    """The SNI name that the client asked for, in lower case.

    For an asyncio transport: `requested_name(transport.get_extra_info("ssl_object"))`.
    """
    return None if connection is None else _requested_names.get(connection)


def _modern(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_authority(folder: Path, *, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Litemail local authority {now:%Y-%m-%d}")])
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(name, name, key.public_key(), now, CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_secret(folder / "ca.key", _pem(key))
    _write(folder / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _issue(folder: Path, names: Sequence[str], *, now: datetime) -> bytes:
    """Key and certificate of a leaf, as one PEM file."""
    authority = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    signer = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError("the authority's key is not an EC key")
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Litemail")])
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=False, crl_sign=False, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(subject, authority.subject, key.public_key(), now, LEAF_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return _pem(key) + certificate.public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + lifetime)
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _still_good(leaf: Path, *, authority: Path, now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(leaf.read_bytes())
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.read_bytes()))
    except Exception:  # noqa: BLE001 - missing, cut short, of an older authority: all mean that a new one is needed
        return False
    return now + LEAF_RENEWED_BEFORE < certificate.not_valid_after_utc


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_secret(path: Path, content: bytes) -> None:
    _write(path, content, mode=0o600)


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """All or nothing, and never readable by others for a moment: the file gets its name when it is whole."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
