import asyncio
import imaplib
import smtplib
import ssl
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any

import dkim as dkimpy
import dns.message
import dns.query
import dns.rdatatype
import pytest

from litemail.kit import clock
from litemail.protocols import dkim
from tests.journeys.installation import Customer, Installation, customer, installation

THE_EXAMPLE = {
    "platform_type": "instantly",
    "platform_email": "support@litemail.ai",
    "platform_pass": "Lite@Mail2024!",
    "inbox_type": "gmail",
    "inboxes": [{"email": "caroline@getbrandmerge.com", "pass": "Caroline@Thompson2025"}],
}

pytestmark = pytest.mark.timeout(180)


def authority(house: Installation) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(house.folder / "ca" / "ca.pem"))


def send(house: Installation, box: dict, to: str, subject: str) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = box["email"], to, subject
    message.set_content("Grüße, and a line that starts with a dot:\n.\n..done\n")
    with smtplib.SMTP(box["smtp"]["host"], box["smtp"]["port"], timeout=20) as smtp:
        smtp.starttls(context=authority(house))
        smtp.login(box["smtp"]["username"], box["password"])
        smtp.send_message(message)


def fetch(house: Installation, box: dict, subject: str) -> bytes | None:
    imap = imaplib.IMAP4_SSL(box["imap"]["host"], box["imap"]["port"], ssl_context=authority(house), timeout=20)
    with imap:
        imap.login(box["imap"]["username"], box["password"])
        imap.select("INBOX", readonly=True)
        _, (found,) = imap.search(None, "SUBJECT", f'"{subject}"')
        if not found:
            return None
        _, parts = imap.fetch(found.split()[0].decode(), "(BODY.PEEK[])")
        return next(part[1] for part in parts if isinstance(part, tuple))


def txt(house: Installation, name: str) -> str | None:
    query = dns.message.make_query(name, dns.rdatatype.TXT)
    answer, _ = dns.query.udp_with_fallback(query, "127.0.0.1", port=house.ports["dns"], timeout=5)
    return b"".join(answer.answer[0][0].strings).decode() if answer.answer else None


def published(house: Installation, name: bytes, timeout: float = 5) -> bytes:
    """A key record, the way dkimpy asks for it."""
    return (txt(house, name.decode()) or "").encode()


async def credentials(me: Customer, mailbox_id: str) -> Any:
    return await me.call("GET", f"/v1/mailboxes/{mailbox_id}/credentials")


async def test_from_an_empty_folder_to_a_connected_inbox(tmp_path: Path):
    with installation(tmp_path) as house:
        serve = house.start("serve")
        async with customer(house.url) as me:
            await me.active_domain("acme.test")
            records = await me.call("GET", "/v1/dns?domain=acme.test")
            assert {"MX", "TXT"} <= {record["type"] for record in records["data"] if record["managed"]}
            ada = await me.mailbox("acme.test", "ada")
            bob = await me.mailbox("acme.test", "bob", password="a chosen password")
            assert (ada["status"], bob["status"]) == ("active", "active")
            from_ada, from_bob = await credentials(me, ada["id"]), await credentials(me, bob["id"])
            assert from_bob["password"] == "a chosen password"

            await asyncio.to_thread(send, house, from_ada, "bob@acme.test", "First")
            async with asyncio.timeout(20):
                while (message := await asyncio.to_thread(fetch, house, from_bob, "First")) is None:
                    await asyncio.sleep(0.1)
            assert b"dkim=pass" in message

            async def look_up(name: str) -> str | None:
                return await asyncio.to_thread(txt, house, name)

            results = await dkim.verify(message, txt_lookup=look_up, now=clock.now())
            assert {result.result for result in results} == {dkim.Verdict.PASS}
            for index in range(len(results)):
                verifier = dkimpy.DKIM(message)
                assert await asyncio.to_thread(verifier.verify, index, partial(published, house))

            of_gmail = await me.call("POST", "/v1/connect-inbox", THE_EXAMPLE, expect=200)
            ours = await me.call(
                "POST",
                "/v1/connect-inbox",
                {
                    **{name: value for name, value in THE_EXAMPLE.items() if name.startswith("platform")},
                    "inbox_type": "litemail",
                    "inboxes": [{"email": "ada@acme.test"}, {"email": "bob@acme.test"}],
                },
                expect=200,
            )
            for connection in (of_gmail, ours):
                done = await me.until(
                    f"/v1/connect-inbox/{connection['id']}", "completed", "completed_with_errors", "failed"
                )
                assert done["status"] == "completed", done
            twin = await me.call("GET", "/v1/sandbox/platforms/instantly")
            assert {account["email"] for account in twin["accounts"]} == {
                "caroline@getbrandmerge.com",
                "ada@acme.test",
                "bob@acme.test",
            }
        postgres = house.postgres()
        assert postgres is not None
        assert house.stop(serve) == 0
        assert house.postgres() is None


async def test_two_hundred_inboxes_survive_that_everything_is_killed(tmp_path: Path):
    with installation(tmp_path) as house:
        serve = house.start("serve")
        async with customer(house.url) as me:
            await me.call("POST", "/v1/sandbox/platforms/instantly", {"latency_ms": 100})
            inboxes = [{"email": f"box{n}@elsewhere.com", "pass": "any password"} for n in range(200)]
            connection = await me.call("POST", "/v1/connect-inbox", {**THE_EXAMPLE, "inboxes": inboxes}, expect=200)
            path = f"/v1/connect-inbox/{connection['id']}"
            async with asyncio.timeout(60):
                while not 20 <= (await me.call("GET", path))["connected"] <= 180:
                    await asyncio.sleep(0.01)
            house.kill(serve)
            house.kill_postgres()
            serve = house.start("serve")
            me.client.base_url = house.url
            done = await me.until(path, "completed", "completed_with_errors", "failed", seconds=90)
            assert (done["status"], done["connected"], done["failed"]) == ("completed", 200, 0)
            twin = await me.call("GET", "/v1/sandbox/platforms/instantly")
            emails = [account["email"] for account in twin["accounts"]]
            assert sorted(emails) == sorted(inbox["email"] for inbox in inboxes)
        assert house.stop(serve) == 0
        assert house.postgres() is None
