"""Sealed by us and believed by dkimpy. (Its own sealing wants a library that is not here.)"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import dkim as dkimpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from litemail.protocols import arc
from litemail.protocols.dkim import Algorithm, SigningKey, generate_rsa, txt_value

PAIR = generate_rsa()
KEY = SigningKey("lm1", Algorithm.RSA, PAIR.private_pem)
RECORDS = {f"lm1._domainkey.{domain}": txt_value(PAIR) for domain in ("acme.test", "other.test")}
NOW = datetime(2026, 1, 29, 12, tzinfo=UTC)
RESULTS = "mx.acme.test;\r\n\tdkim=pass header.d=example.com header.s=s1"
MESSAGE = (
    b"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s1; h=from; bh=AA==; b=AA==\r\n"
    b"From: Ada <ada@example.com>\r\nTo: bob@acme.test\r\nSubject: Hello\r\n  there\r\nDate: now\r\n\r\n"
    b"Text  with   spaces \r\n\r\n.\r\n\r\n"
)


async def txt(name: str) -> str | None:
    return RECORDS.get(name)


def dns(name: bytes, timeout: float = 5) -> bytes | None:
    del timeout
    record = RECORDS.get(name.decode().rstrip("."))
    return record.encode() if record else None


async def sealed(message: bytes, domain: str = "acme.test") -> bytes:
    chain = await arc.validate(message, txt_lookup=txt)
    return arc.seal(message, results=RESULTS, chain=chain, domain=domain, key=KEY, now=NOW)


def dkimpys_verdict(message: bytes) -> bytes:
    verdict: bytes = dkimpy.arc_verify(message, dnsfunc=dns)[0]
    return verdict


async def test_a_seal_is_believed_by_others_and_by_us() -> None:
    once = await sealed(MESSAGE)
    assert once.endswith(MESSAGE)
    assert b"cv=none" in once
    assert dkimpys_verdict(once) == b"pass"
    twice = await sealed(b"Received: from here\r\n" + once, domain="other.test")
    assert b"ARC-Seal: i=2;" in twice
    assert b"cv=pass" in twice
    assert dkimpys_verdict(twice) == b"pass"
    assert (await arc.validate(twice, txt_lookup=txt)).verdict is arc.Verdict.PASS


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.replace(b"Text", b"Test"),
        lambda m: m.replace(b"Subject: Hello", b"Subject: Hallo"),
        lambda m: m.replace(b"dkim=pass", b"dkim=none"),
        lambda m: m.replace(b"cv=none", b"cv=pass"),
        lambda m: m.replace(b"d=acme.test", b"d=nobody.test"),
        lambda m: m.replace(b"ARC-Seal: i=1", b"ARC-Seal: i=2"),
        lambda m: m.replace(b"a=rsa-sha256; t=", b"a=rsa-sha1; t="),
        lambda m: b"ARC-Authentication-Results: i=1; x\r\n" + m,
        lambda m: m.replace(b"ARC-Seal", b"X-Seal"),
        lambda m: m.replace(b"b=", b"b=*"),
    ],
)
async def test_a_changed_message_breaks_the_chain(change: Callable[[bytes], bytes]) -> None:
    once = await sealed(MESSAGE)
    changed = change(once)
    assert changed != once
    assert (await arc.validate(changed, txt_lookup=txt)).verdict is arc.Verdict.FAIL


async def test_a_broken_chain_is_called_so_once() -> None:
    changed = (await sealed(MESSAGE)).replace(b"Text", b"Test")
    marked = await sealed(changed, domain="other.test")
    assert b"ARC-Seal: i=2; a=rsa-sha256; t=1769688000; cv=fail;" in marked
    assert await sealed(marked) == marked
    without = changed.replace(b"ARC-Seal", b"X-Seal")
    assert await sealed(without) == without


async def test_there_is_an_end_to_seals() -> None:
    message = MESSAGE
    for _ in range(arc.MAX_SETS + 2):
        message = await sealed(message)
    assert message.count(b"ARC-Seal:") == arc.MAX_SETS


@given(st.binary(max_size=300))
@settings(max_examples=200)
async def test_any_field_is_read_or_refused(value: bytes) -> None:
    clean = bytes(octet for octet in value if octet not in b"\r\n\0")
    for name in (b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results"):
        message = name + b": i=1;" + clean + b"\r\n" + MESSAGE
        assert (await arc.validate(message, txt_lookup=txt)).verdict is arc.Verdict.FAIL


async def test_sealing_costs_little() -> None:
    started = time.perf_counter()
    for _ in range(100):
        await sealed(MESSAGE)
    assert time.perf_counter() - started < 2
