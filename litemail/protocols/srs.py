"""The sender of forwarded mail: SRS, the Sender Rewriting Scheme (https://www.libsrs2.net/srs/srs.pdf).

A forwarder that kept the sender's address would fail the sender's SPF. So the envelope sender becomes an address of
the forwarding domain that holds the first one, a day and a keyed hash: `srs0=<hash>=<day>=<domain>=<local>@<ours>`.
Bounces come back to it and are sent on to whom they are for, for three weeks; addresses that we did not make are not.
"""

import hashlib
import hmac
from datetime import UTC, datetime

from litemail.kit.errors import Error, Kind
from litemail.protocols.address import ADDRESS_MAX, Address, InvalidAddress, parse

LIFETIME_DAYS = 21
_DAYS = 1024  # two characters of base 32
_DIGITS = "abcdefghijklmnopqrstuvwxyz234567"
_HASH_CHARACTERS = 8  # 40 bits: mail servers may change the case of an address, so base 32
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class NotOurs(Error):
    kind = Kind.NOT_FOUND
    code = "srs.not_ours"
    message = "{local} is not an address that this server made for a bounce, or it is too old."


def rewrite(sender: Address, *, domain: str, key: bytes, now: datetime) -> Address:
    """The envelope sender of a message that is forwarded by `domain`. `key` is secret and stays the same for weeks.

    An address that another forwarder made is not wrapped once more: `srs1=<hash>=<their domain>=<theirs>` names the
    first of them, which will know the rest.
    """
    kind, _, rest = sender.local.partition("=")
    if kind == "srs0" and rest:
        signed = f"{sender.domain}={rest}"
        return Address(f"srs1={_hash(signed, key)}={signed}", domain)
    if kind == "srs1" and rest.count("=") > 1:
        signed = rest.partition("=")[2]
        return Address(f"srs1={_hash(signed, key)}={signed}", domain)
    signed = f"{_day(now)}={sender.domain}={sender.local}"
    return Address(f"srs0={_hash(signed, key)}={signed}", domain)


def restore(local: str, *, key: bytes, now: datetime) -> Address:
    """The address that `rewrite` put away. Raises NotOurs."""
    kind, _, rest = local.partition("=")
    found, _, signed = rest.partition("=")
    if kind not in {"srs0", "srs1"} or not hmac.compare_digest(found.encode(), _hash(signed, key).encode()):
        raise NotOurs(local=local[:80])
    first, _, last = signed.partition("=")
    try:
        if kind == "srs1":
            return Address(f"srs0={last}", parse(f"x@{first}").domain)
        if _age(first, now) > LIFETIME_DAYS:
            raise NotOurs(local=local[:80])
        domain, _, original = last.partition("=")
        return parse_path(f"{original}@{domain}") or parse(f"{original}@{domain}")
    except InvalidAddress:
        raise NotOurs(local=local[:80]) from None


def parse_path(path: str) -> Address | None:
    """A recipient that has the looks of such an address; None for every other.

    What holds a whole address can be longer than the 64 octets that RFC 5321 section 4.5.3.1.1 gives a local part;
    other servers send to it nevertheless, and so must we be able to receive.
    """
    local, at, domain = path.lower().rpartition("@")
    if not at or not local.startswith(("srs0=", "srs1=")) or len(path) > 2 * ADDRESS_MAX or not path.isascii():
        return None
    try:
        return Address(local, parse(f"x@{domain}").domain)
    except InvalidAddress:
        return None


def _hash(signed: str, key: bytes) -> str:
    digest = hmac.digest(key, signed.encode(), hashlib.sha256)
    number = int.from_bytes(digest[:5], "big")
    return "".join(_DIGITS[number >> 5 * place & 31] for place in range(_HASH_CHARACTERS))


def _day(now: datetime) -> str:
    number = (now - _EPOCH).days % _DAYS
    return _DIGITS[number >> 5] + _DIGITS[number & 31]


def _age(day: str, now: datetime) -> int:
    """In days. What was made tomorrow, by a clock that is ahead, has the highest."""
    number = _DIGITS.index(day[0]) << 5 | _DIGITS.index(day[1])
    return ((now - _EPOCH).days - number) % _DAYS
