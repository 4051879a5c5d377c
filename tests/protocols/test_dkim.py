import asyncio
import base64
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from dkim.canonicalization import Relaxed, Simple
from hypothesis import given, settings
from hypothesis import strategies as st

from litemail.protocols import dkim, dkim_canonical, dkim_keys
from litemail.protocols.dkim import Algorithm, DkimResult, SigningKey, Verdict
from litemail.protocols.dkim_canonical import Canonical

NOW = datetime(2026, 1, 29, 18, 41, 56, tzinfo=UTC)
RSA = dkim.generate_rsa()
ED25519 = dkim.generate_ed25519()
PKCS1_PEM = serialization.load_pem_private_key(RSA.private_pem, None).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)
KEYS = (
    SigningKey("r1", Algorithm.RSA, RSA.private_pem),
    SigningKey("e1", Algorithm.ED25519, ED25519.private_pem),
)
RECORDS = {
    "r1._domainkey.example.com": dkim.txt_value(RSA),
    "e1._domainkey.example.com": dkim.txt_value(ED25519),
}
MESSAGE = (
    b"From: Jo <jo@example.com>\r\nTo: al@example.org\r\nSubject: A  long\r\n\tsubject \r\n"
    b"Date: Thu, 29 Jan 2026 18:41:56 +0000\r\nMessage-ID: <1@example.com>\r\n\r\nHi.\r\n\r\nBye  now \r\n\r\n\r\n"
)

# RFC 8463 appendix A: keys, and a message signed with both.
RFC8463_RECORDS = {
    "brisbane._domainkey.football.example.com": "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "test._domainkey.football.example.com": (
        "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3id"
        "Y6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lx"
        "j+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
    ),
}
RFC8463_MESSAGE = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace(b"\n", b"\r\n")


def lookup(records: dict[str, str]) -> Callable[[str], Awaitable[str | None]]:
    async def find(name: str) -> str | None:
        return records.get(name)

    return find


async def verify(message: bytes, records: dict[str, str] = RECORDS, now: datetime = NOW) -> list[DkimResult]:
    return await dkim.verify(message, txt_lookup=lookup(records), now=now)


async def verdicts(message: bytes, records: dict[str, str] = RECORDS, now: datetime = NOW) -> list[Verdict]:
    return [result.result for result in await verify(message, records, now)]


def sign(message: bytes = MESSAGE, *, keys: tuple[SigningKey, ...] = KEYS) -> bytes:
    return dkim.sign(message, domain="example.com", keys=keys, now=NOW)


def dkimpy_says(message: bytes, index: int = 0, records: dict[str, str] = RECORDS) -> bool:
    def find(name: bytes, timeout: int = 5) -> bytes | None:
        text = records.get(name.decode().rstrip("."))
        return text.encode() if text else None

    return bool(dkimpy.DKIM(message).verify(index, dnsfunc=find))


async def test_the_example_of_rfc_8463_verifies() -> None:
    results = await verify(RFC8463_MESSAGE, RFC8463_RECORDS)
    assert results == [
        DkimResult("football.example.com", "brisbane", Verdict.PASS, algorithm="ed25519-sha256"),
        DkimResult("football.example.com", "test", Verdict.PASS, algorithm="rsa-sha256"),
    ]
    tampered = RFC8463_MESSAGE.replace(b"We lost", b"We won")
    assert await verdicts(tampered, RFC8463_RECORDS) == [Verdict.FAIL, Verdict.FAIL]


async def test_a_message_is_signed_once_per_key_and_its_own_bytes_stay() -> None:
    signed = sign()
    assert signed.endswith(MESSAGE)
    assert signed.count(b"DKIM-Signature: ") == 2
    assert await verdicts(signed) == [Verdict.PASS, Verdict.PASS]
    assert max(map(len, signed.split(b"\r\n"))) <= 78
    assert sign(keys=()) == MESSAGE


def test_another_implementation_accepts_our_signatures() -> None:
    signed = sign()
    assert dkimpy_says(signed, 0)
    assert dkimpy_says(signed, 1)


@pytest.mark.parametrize("header", [b"simple", b"relaxed"])
@pytest.mark.parametrize("body", [b"simple", b"relaxed"])
async def test_signatures_of_another_implementation_are_accepted(header: bytes, body: bytes) -> None:
    for message in (MESSAGE, MESSAGE.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"):
        signature = dkimpy.sign(message, b"r1", b"example.com", PKCS1_PEM, canonicalize=(header, body))
        assert await verdicts(signature + message) == [Verdict.PASS]
        assert await verdicts(signature + message.replace(b"jo@", b"mo@")) == [Verdict.FAIL]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Hi.", b"Ho."),
        (b"jo@example.com", b"xo@example.com"),
        (b"Subject: A", b"Subject: B"),
        (b"\r\n\r\nHi.", b"\r\n\r\n\r\nHi."),
        (b"From: Jo", b"From: Evil <evil@example.org>\r\nFrom: Jo"),
        (b"Subject: A", b"Subject: Added\r\nSubject: A"),
        (b"To: al", b"Reply-To: evil@example.org\r\nTo: al"),
        (b"To: al", b"Content-Type: text/html\r\nTo: al"),
        (b"d=example.com", b"d=example.com; x=9999999999"),
    ],
)
async def test_a_changed_message_fails(old: bytes, new: bytes) -> None:
    tampered = sign().replace(old, new)
    assert tampered != sign()
    assert await verdicts(tampered) == [Verdict.FAIL, Verdict.FAIL]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Subject: A  long\r\n\tsubject", b"SUBJECT:   A long subject"),
        (b"Bye  now ", b"Bye \t now"),
        (b"Bye  now \r\n\r\n\r\n", b"Bye  now\r\n"),
        (b"From: Jo", b"X-Passed-By: relay\r\nReceived: from a by b\r\nFrom: Jo"),
    ],
)
async def test_changes_that_relays_make_do_not_matter(old: bytes, new: bytes) -> None:
    assert await verdicts(sign().replace(old, new)) == [Verdict.PASS, Verdict.PASS]


async def test_an_unsigned_message_has_no_results() -> None:
    assert await verify(MESSAGE) == []
    assert await verify(b"") == []
    assert await verify(b"not a message\r\n") == []


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (None, "no key for signature"),
        ("v=DKIM1; k=rsa; p=", "it is revoked"),
        ("v=DKIM1; k=rsa", "p= is missing"),
        ("v=DKIM2; p=AAAA", "v=DKIM1 must come first"),
        ("k=rsa; v=DKIM1; p=AAAA", "v=DKIM1 must come first"),
        ("v=DKIM1; k=rsa; p=!!!", "the public key cannot be read"),
        ("v=DKIM1; k=rsa; p=AAAA", "the public key cannot be read"),
        ("v=DKIM1; k=dsa; p=AAAA", "the public key cannot be read"),
        ("v=DKIM1; k=ed25519; p=AAAA", "the public key cannot be read"),
        ("{rsa}; h=sha1", "it does not allow sha256"),
        ("{rsa}; s=tlsrpt", "it is not for mail"),
        ("{ed25519}", "key is for another algorithm"),
        ("nonsense", "'nonsense' is not a tag with a value"),
    ],
)
async def test_a_bad_key_record_is_a_permanent_error(record: str | None, reason: str) -> None:
    records = {}
    if record:
        filled = record.format(rsa=dkim.txt_value(RSA), ed25519=dkim.txt_value(ED25519))
        records["r1._domainkey.example.com"] = filled
    (result,) = await verify(sign(keys=KEYS[:1]), records)
    assert (result.result, result.reason) == (Verdict.PERMERROR, reason)


async def test_a_key_record_may_leave_out_what_has_a_default() -> None:
    records = {"r1._domainkey.example.com": f"p={RSA.public_b64[:50]} {RSA.public_b64[50:]}; t=y; n=x; g=*; "}
    assert await verdicts(sign(keys=KEYS[:1]), records) == [Verdict.PASS]


def test_an_rsa_key_below_1024_bits_is_refused() -> None:
    numbers = rsa.RSAPublicNumbers(65537, 2**767 + 1)
    der = numbers.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(dkim.MalformedKey):
        dkim_keys.parse_record(f"p={base64.b64encode(der).decode()}")


@pytest.mark.parametrize("error", [dkim.LookupFailed(name="x"), TimeoutError(), OSError("no route")])
async def test_a_dns_that_does_not_answer_is_a_temporary_error(error: Exception) -> None:
    async def find(name: str) -> str | None:
        raise error

    results = await dkim.verify(sign(), txt_lookup=find, now=NOW)
    assert [result.result for result in results] == [Verdict.TEMPERROR, Verdict.TEMPERROR]


async def test_a_slow_dns_is_a_temporary_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dkim, "LOOKUP_SECONDS", 0.01)  # the limit is a constant, and ten seconds are long

    async def find(name: str) -> str | None:
        await asyncio.Event().wait()
        return None

    assert {result.result for result in await dkim.verify(sign(), txt_lookup=find, now=NOW)} == {Verdict.TEMPERROR}


@pytest.mark.parametrize(
    ("pattern", "replacement", "verdict"),
    [
        (rb"v=1;", b"v=2;", Verdict.PERMERROR),
        (rb"v=1;", b"", Verdict.PERMERROR),
        (rb"a=rsa-sha256", b"a=rsa-sha1", Verdict.PERMERROR),
        (rb"c=relaxed/relaxed", b"c=nowsp/simple", Verdict.PERMERROR),
        (rb"d=example.com", b"d=", Verdict.PERMERROR),
        (rb"h=from", b"h=x-none", Verdict.PERMERROR),
        (rb"t=\d+", b"t=1; x=2", Verdict.FAIL),
        (rb"t=\d+", b"x=abc", Verdict.PERMERROR),
        (rb"t=\d+", b"l=-1", Verdict.PERMERROR),
        (rb"t=\d+", b"q=http", Verdict.PERMERROR),
        (rb"t=\d+", b"i=@other.com", Verdict.PERMERROR),
        (rb"t=\d+", b"i=jo@notexample.com", Verdict.PERMERROR),
        (rb"t=\d+", b"d=example.com", Verdict.PERMERROR),
        (rb" b=", b" b=*", Verdict.PERMERROR),
        (rb"s=r1", "s=ö".encode(), Verdict.PERMERROR),
        (rb"t=\d+", b"y=" + b" \r\n " * 20_000, Verdict.PERMERROR),
    ],
)
async def test_a_malformed_signature_is_an_error_and_never_a_pass(
    pattern: bytes, replacement: bytes, verdict: Verdict
) -> None:
    signed = sign(keys=KEYS[:1])
    head = re.sub(rb"h=from:from:", b"h=from:", signed) if replacement == b"h=x-none" else signed
    (result,) = await verify(re.sub(pattern, replacement, head, count=1))
    assert result.result is verdict, result
    assert result.reason


async def test_a_signature_of_part_of_the_body_does_not_pass() -> None:
    signed = dkimpy.sign(MESSAGE, b"r1", b"example.com", PKCS1_PEM, length=True) + MESSAGE
    assert await verdicts(signed) == [Verdict.PASS]
    assert await verdicts(signed.removesuffix(b"\r\n\r\n") + b"Buy this.\r\n") == [Verdict.POLICY]


async def test_a_key_can_forbid_identities_in_subdomains() -> None:
    signed = dkimpy.sign(MESSAGE, b"r1", b"example.com", PKCS1_PEM, identity=b"jo@sub.example.com") + MESSAGE
    assert await verdicts(signed) == [Verdict.PASS]
    records = {"r1._domainkey.example.com": dkim.txt_value(RSA) + "; t=s"}
    (result,) = await verify(signed, records)
    assert result.result is Verdict.PERMERROR


async def test_only_the_first_signatures_are_looked_at() -> None:
    async def find(name: str) -> str | None:
        return None

    many = b"".join([sign().removesuffix(MESSAGE)] * 20) + MESSAGE
    results = await dkim.verify(many, txt_lookup=find, now=NOW)
    assert len(results) == dkim.MAX_SIGNATURES


def test_keys_and_messages_that_cannot_sign_are_refused() -> None:
    with pytest.raises(dkim.FromMissing):
        sign(b"To: al@example.org\r\n\r\nHi\r\n")
    with pytest.raises(dkim.MalformedKey):
        sign(keys=(SigningKey("r1", Algorithm.RSA, b"no key"),))
    with pytest.raises(dkim.MalformedKey):
        sign(keys=(SigningKey("r1", Algorithm.ED25519, RSA.private_pem),))


def test_an_ed25519_record_holds_the_bare_key() -> None:
    key = serialization.load_pem_private_key(ED25519.private_pem, None)
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    assert base64.b64decode(ED25519.public_b64) == key.public_key().public_bytes_raw()


names = st.sampled_from(["Subject", "To", "Cc", "X-Thing", "Reply-To", "List-Id", "Received", "subject"])
# dkimpy takes form feeds and vertical tabs for white space, RFC 5234's WSP is only space and tab
values = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00\x0b\x0c"), max_size=60)
lines = st.binary(max_size=40).map(lambda b: b.replace(b"\r", b"").replace(b"\n", b""))


@settings(max_examples=60)
@given(st.lists(st.tuples(names, values, values), max_size=6), st.lists(lines, max_size=8))
async def test_whatever_is_signed_verifies_here_and_elsewhere(
    fields: list[tuple[str, str, str]], body: list[bytes]
) -> None:
    head = "".join(f"{name}: {first}\r\n\t{second}\r\n" for name, first, second in fields).encode()
    message = b"From: jo@example.com\r\n" + head + b"\r\n" + b"".join(line + b"\r\n" for line in body)
    signed = sign(message)
    assert await verdicts(signed) == [Verdict.PASS, Verdict.PASS]
    assert dkimpy_says(signed, 0)


@given(st.text("ab \t\r\n", max_size=40).map(lambda text: text.replace("\n", "\r\n").encode()))
def test_bodies_are_made_canonical_as_elsewhere(body: bytes) -> None:
    ended = body if not body or body.endswith(b"\r\n") else body + b"\r\n"
    relaxed = Relaxed.canonicalize_body(ended)
    assert dkim_canonical.body(body, Canonical.RELAXED) == (b"" if relaxed == b"\r\n" else relaxed)
    assert dkim_canonical.body(body, Canonical.SIMPLE) == Simple.canonicalize_body(ended)


def test_a_run_of_white_space_across_pieces_is_one_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dkim_canonical, "_PIECE", 4)  # the real one would need bodies of megabytes
    for before in range(8):
        body = b"x" * before + b" \t  \t y  z\r\n\r\n"
        assert dkim_canonical.body(body, Canonical.RELAXED) == b"x" * before + b" y z\r\n"


@pytest.mark.parametrize("body", [(b" " * 997 + b"x\r\n") * 2000, b"x" + b"\r\n" * 1_000_000, b"\t \r\n" * 500_000])
def test_no_body_is_slow_to_make_canonical(body: bytes) -> None:
    start = time.process_time()
    for method in Canonical:
        dkim_canonical.body(body, method)
    assert time.process_time() - start < 1


async def test_an_expired_signature_fails_from_that_moment() -> None:
    signed = re.sub(rb"t=\d+", b"x=%d" % NOW.timestamp(), sign(keys=KEYS[:1]))
    assert (await verify(signed, now=NOW + timedelta(seconds=1)))[0].reason == "signature expired"
    assert (await verify(signed, now=NOW))[0].reason == "signature did not verify"
