"""Aliases, catch-all and forwarding: what the API explains is what the mail server does."""

import asyncio
import email.policy
import re
import smtplib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import dkim as dkimpy
import httpx
import pytest

from litemail.domains import asking, forwarded_mail, jobs
from litemail.kit.db import Database
from litemail.kit.mailer import Mail, Mailer, RelayRefused, RelayUnavailable
from litemail.kit.secrets import Secrets
from litemail.protocols.address import parse
from litemail.providers.dns.txt import TxtLookup
from litemail.servers.sign_in import SignIns
from litemail.servers.smtp import Sender, SmtpServer, serve_mx
from litemail.servers.smtp.backend import MailboxBackend
from tests.conftest import MAIL_HOSTNAME, Dns
from tests.mailboxes.conftest import NewOwner, Owner

MESSAGE = b"From: Out <out@theirs.test>\r\nTo: you\r\nSubject: Hi\r\nDate: now\r\n\r\nText\r\n"


@dataclass
class Post:
    """A mail server over the database, and an outbox. Jobs are run by hand."""

    server: SmtpServer
    backend: MailboxBackend
    database: Database
    secrets: Secrets
    mail_root: Path
    mailer: Mailer

    async def send(self, to: str, message: bytes = MESSAGE, sender: str = "out@theirs.test") -> int:
        """The last reply code."""

        def talk() -> int:
            with smtplib.SMTP("127.0.0.1", self.server.port, timeout=20) as client:
                try:
                    client.sendmail(sender, [to], message)
                except smtplib.SMTPRecipientsRefused as refused:
                    return int(refused.recipients[to][0])
                except smtplib.SMTPDataError as refused:
                    return int(refused.smtp_code)
                return 250

        return await asyncio.to_thread(talk)

    def received(self, mailbox_id: str) -> list[bytes]:
        return [file.read_bytes() for file in sorted(self.mail_root.glob(f"*/{mailbox_id}/new/*"))]

    async def run_jobs(self, workspace_id: str) -> None:
        """Hands over what waits, and asks those who have to be asked."""
        async with self.database.begin_system("test") as tx:
            mail = await tx.values(
                str, "SELECT id FROM forwarded_mail WHERE workspace_id = %(id)s ORDER BY id", id=workspace_id
            )
            targets = await tx.values(
                str,
                "SELECT id FROM forwarding_targets WHERE workspace_id = %(id)s AND confirmed_at IS NULL",
                id=workspace_id,
            )
        for mail_id in mail:
            await forwarded_mail.send(
                database=self.database, mailer=self.mailer, mail_hostname=MAIL_HOSTNAME, mail_id=mail_id
            )
        for target_id in targets:
            await asking.ask_target(
                database=self.database,
                mailer=self.mailer,
                secrets=self.secrets,
                public_base=lambda: "http://litemail.test",
                mail_hostname=MAIL_HOSTNAME,
                target_id=target_id,
            )

    def left(self, prefix: str = "fwm") -> list[bytes]:
        """Takes what is in the outbox out of it."""
        found = []
        for file in sorted(self.mailer.outbox.glob(f"{prefix}*.eml")):
            found.append(file.read_bytes())
            file.unlink()
        return found


@pytest.fixture
async def post(database: Database, secrets: Secrets, dns_server: Dns, tmp_path: Path) -> AsyncIterator[Post]:
    backend = MailboxBackend(
        database=database,
        secrets=secrets,
        sign_ins=SignIns(database, secrets),
        mail_root=tmp_path / "mail",
        txt_lookup=TxtLookup(lambda: (dns_server.host, dns_server.port)),
        daily_limit=100,
        forwarding_limit=3,
        delivered=lambda _: None,
    )
    server = await serve_mx(backend, host="127.0.0.1", port=0, ssl_context=None, hostname=MAIL_HOSTNAME)
    yield Post(server, backend, database, secrets, tmp_path / "mail", Mailer(tmp_path / "outbox"))
    await server.close()


@pytest.fixture
async def stranger(new_owner: NewOwner) -> Owner:
    return await new_owner()


async def route(owner: Owner, local: str, domain: str | None = None) -> dict[str, object]:
    domain = domain or owner.domain
    answer = await owner.call("GET", f"/v1/domains/{domain}/route?address={local}@{domain}")
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


async def rule(owner: Owner, path: str, to: str, **more: object) -> httpx.Response:
    body = {"domains": [owner.domain], "to": to, **more}
    answer = await owner.call("POST", f"/v1/domains/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer


async def confirmed(owner: Owner, post: Post) -> None:
    """Does what the owners of all targets do who open their mail."""
    await post.run_jobs(owner.person.workspace_id)
    for mail in post.left("fwt"):
        await owner.client.post(link_of(mail))


def parsed(mail: bytes) -> EmailMessage:
    return email.message_from_bytes(mail, policy=email.policy.default)


def link_of(mail: bytes) -> str:
    found = re.search(r"http://litemail\.test(/forwarding/\S+)", parsed(mail).get_content())
    assert found is not None
    return found[1]


async def test_a_mailbox_then_an_alias_then_the_catch_all(owner: Owner, post: Post) -> None:
    ada, bob = await owner.create("ada"), await owner.create("bob")
    assert (await route(owner, "sales"))["result"] == "rejected"
    assert await post.send(f"sales@{owner.domain}") == 550
    made = await owner.call("POST", f"/v1/mailboxes/{ada['id']}/aliases", json={"address": f"SALES@{owner.domain}"})
    assert made.status_code == 201, made.text
    assert made.json()["address"] == f"sales@{owner.domain}"
    await rule(owner, "catch-all", f"bob@{owner.domain}")
    for local, result, box in (("ada", "mailbox", ada), ("sales", "alias", ada), ("any", "catch_all", bob)):
        found = await route(owner, local)
        assert (found["result"], found["deliver_to"]) == (result, [box["email"]])
        before = len(post.received(box["id"]))
        assert await post.send(f"{local}@{owner.domain}") == 250
        assert len(post.received(box["id"])) == before + 1
    shown = (await owner.call("GET", f"/v1/domains/{owner.domain}")).json()
    assert shown["catch_all"] == {"to": bob["email"], "status": "active"}
    await owner.call("DELETE", f"/v1/domains/catch-all?domains={owner.domain}")
    assert await post.send(f"any@{owner.domain}") == 550


async def test_an_address_outside_waits_for_its_owner(owner: Owner, post: Post) -> None:
    ada = await owner.create("ada")
    await rule(owner, "email-forwarding", "Archive@Outside.example")
    await rule(owner, "catch-all", "archive@outside.example")
    shown = (await owner.call("GET", f"/v1/domains/{owner.domain}")).json()
    assert shown["email_forwarding"] == {
        "to": "archive@outside.example",
        "keep_copy": True,
        "status": "pending_confirmation",
    }
    found = await route(owner, "ada")
    assert (found["forward_to"], found["pending"]) == ([], ["archive@outside.example"])
    assert await post.send(ada["email"]) == 250
    assert await post.send(f"any@{owner.domain}") == 550
    await post.run_jobs(owner.person.workspace_id)
    assert post.left() == []
    (mail,) = post.left("fwt")  # one mail, however many rules
    assert b"\r\nEnvelope-To: archive@outside.example\r\n" in mail
    path = link_of(mail)
    page = await owner.client.get(path)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "archive@outside.example" in page.text
    assert (await route(owner, "ada"))["pending"]  # looking changes nothing
    for _ in range(2):
        assert (await owner.client.post(path)).status_code == 200
    assert "Confirmed" in (await owner.client.get(path)).text
    found = await route(owner, "any")
    assert (found["result"], found["forward_to"], found["pending"]) == ("catch_all", ["archive@outside.example"], [])
    await rule(owner, "email-forwarding", "archive@outside.example", keep_copy=False)  # agreed once for all
    assert (await route(owner, "ada"))["deliver_to"] == []
    for wrong in (path[:-1], path + "x", "/forwarding/fwt_01k5m3v8w0e3t9f7a2b4c6d8ee.x", "/forwarding/x"):
        assert (await owner.client.post(wrong)).status_code == 404, wrong


async def test_a_link_ends_after_seven_days(owner: Owner, post: Post) -> None:
    await rule(owner, "catch-all", "late@outside.example")
    await post.run_jobs(owner.person.workspace_id)
    path = link_of(post.left("fwt")[0])
    async with post.database.begin_system("test") as tx:
        await tx.execute("UPDATE forwarding_targets SET asked_at = asked_at - interval '8 days'")
    for method in ("GET", "POST"):
        assert (await owner.client.request(method, path)).status_code == 410
    await rule(owner, "catch-all", "late@outside.example")  # asked anew
    assert (await owner.client.post(path)).status_code == 200


async def prove(owner: Owner, post: Post, dns_server: Dns) -> None:
    """Has the domain proved as others are: with keys, and a zone that is served."""
    async with post.database.begin_system("test") as tx:
        await tx.execute("UPDATE domains SET status = 'pending' WHERE name = %(name)s", name=owner.domain)
    domain = (await owner.call("GET", f"/v1/domains/{owner.domain}")).json()
    body = {"domain": owner.domain, "name_servers": domain["name_servers"]}
    assert (await owner.call("POST", "/v1/sandbox/delegations", json=body)).status_code == 200
    await jobs.verify(
        database=post.database,
        secrets=post.secrets,
        parents=dns_server.parents,
        dns_servers=[(dns_server.host, dns_server.port)],
        domain_id=domain["id"],
        patience_ms=500,
    )


async def test_forwarded_mail_has_a_sender_of_ours_and_a_seal(owner: Owner, post: Post, dns_server: Dns) -> None:
    await prove(owner, post, dns_server)
    ada = await owner.create("ada")
    await rule(owner, "email-forwarding", "archive@outside.example")
    await confirmed(owner, post)
    assert await post.send(ada["email"]) == 250
    assert len(post.received(ada["id"])) == 1
    await post.run_jobs(owner.person.workspace_id)
    (left,) = post.left()
    envelope, _, message = left.partition(b"Envelope-To: archive@outside.example\r\n")
    sender = envelope.decode().removeprefix("Return-Path: <").removesuffix(">\r\n")
    assert re.fullmatch(rf"srs0=[a-z2-7]{{8}}=[a-z2-7]{{2}}=theirs\.test=out@{re.escape(owner.domain)}", sender)
    assert message.endswith(MESSAGE)
    assert f"\r\nDelivered-To: {ada['email']}\r\n".encode() in message

    def published(name: bytes, timeout: float = 5) -> bytes:
        del timeout
        lookup = TxtLookup(lambda: (dns_server.host, dns_server.port))
        return (asyncio.run(lookup(name.decode().rstrip("."))) or "").encode()

    verdict = await asyncio.to_thread(dkimpy.arc_verify, message, dnsfunc=published)
    assert verdict[0] == b"pass", verdict

    bounce = b"From: <>\r\nSubject: Undelivered\r\n\r\nSorry\r\n"
    assert await post.send(sender.upper(), bounce, sender="") == 250
    await post.run_jobs(owner.person.workspace_id)
    (returned,) = post.left()
    assert returned.startswith(b"Return-Path: <>\r\nEnvelope-To: out@theirs.test\r\n")
    assert await post.send(sender.replace("out", "other"), bounce, sender="") == 550


async def test_a_redirect_keeps_only_what_cannot_go_on(owner: Owner, post: Post) -> None:
    ada = await owner.create("ada")
    await rule(owner, "email-forwarding", "archive@outside.example", keep_copy=False)
    await confirmed(owner, post)
    for count in range(5):  # 3 a day
        assert await post.send(ada["email"], MESSAGE + b"%d" % count) == 250
    assert len(post.received(ada["id"])) == 2
    await post.run_jobs(owner.person.workspace_id)
    assert len(post.left()) == 3
    assert await post.send(ada["email"], b"X-Spam-Flag: YES\r\n" + MESSAGE) == 250
    assert len(post.received(ada["id"])) == 3


async def test_a_target_inside_is_a_mailbox_and_goes_no_further(owner: Owner, post: Post) -> None:
    ada, bob = await owner.create("ada"), await owner.create("bob")
    await rule(owner, "email-forwarding", bob["email"])
    assert set((await route(owner, "ada"))["deliver_to"]) == {ada["email"], bob["email"]}  # type: ignore[call-overload]
    assert (await route(owner, "bob"))["deliver_to"] == [bob["email"]]
    assert await post.send(ada["email"]) == 250
    assert (len(post.received(ada["id"])), len(post.received(bob["id"]))) == (1, 1)
    await rule(owner, "email-forwarding", f"nobody@{owner.domain}", keep_copy=False)
    assert (await route(owner, "ada"))["deliver_to"] == [ada["email"]]  # nothing is lost to a target that is gone
    await rule(owner, "catch-all", f"nobody@{owner.domain}")
    assert (await route(owner, "any"))["result"] == "rejected"
    await owner.call("POST", f"/v1/mailboxes/{ada['id']}/suspend")
    found = await route(owner, "ada")
    assert (found["result"], found["reason"], found["mailbox_id"]) == ("rejected", "disabled", ada["id"])


async def test_what_the_relay_refuses_comes_back_to_its_sender(owner: Owner, post: Post) -> None:
    ada = await owner.create("ada")
    await rule(owner, "email-forwarding", "archive@outside.example", keep_copy=False)
    await confirmed(owner, post)
    await post.send(ada["email"])
    async with post.database.begin_system("test") as tx:
        (mail_id,) = await tx.values(
            str, "SELECT id FROM forwarded_mail WHERE workspace_id = %(id)s", id=owner.person.workspace_id
        )
    broken = Refusing(post.mailer.outbox)
    await forwarded_mail.send(database=post.database, mailer=broken, mail_hostname=MAIL_HOSTNAME, mail_id=mail_id)
    await post.run_jobs(owner.person.workspace_id)
    (returned,) = post.left()
    assert returned.startswith(b"Return-Path: <>\r\nEnvelope-To: out@theirs.test\r\n")
    report = parsed(returned)
    assert report.get_content_type() == "multipart/report"
    text, status, header = report.iter_parts()
    assert "550 5.7.1 not here" in text.get_content()
    assert "Final-Recipient: rfc822; archive@outside.example" in status.as_string()
    assert "Subject: Hi" in header.get_content()


class Refusing(Mailer):
    async def send(self, mail: Mail, *, outside: bool) -> None:
        del mail, outside
        raise RelayRefused(reason="550 5.7.1 not here")


async def test_what_the_relay_does_not_take_now_is_tried_again_for_days(owner: Owner, post: Post) -> None:
    ada = await owner.create("ada")
    await rule(owner, "email-forwarding", "archive@outside.example")
    await confirmed(owner, post)
    await post.send(ada["email"])

    class Away(Mailer):
        async def send(self, mail: Mail, *, outside: bool) -> None:
            del mail, outside
            raise RelayUnavailable(reason="it is away")

    async def try_once() -> list[str]:
        async with post.database.begin_system("test") as tx:
            mail = await tx.values(
                str, "SELECT id FROM forwarded_mail WHERE workspace_id = %(id)s", id=owner.person.workspace_id
            )
        for mail_id in mail:
            await forwarded_mail.send(
                database=post.database, mailer=Away(post.mailer.outbox), mail_hostname=MAIL_HOSTNAME, mail_id=mail_id
            )
        return mail

    first = await try_once()
    assert await try_once() == first
    async with post.database.begin_system("test") as tx:
        await tx.execute("UPDATE forwarded_mail SET created_at = created_at - interval '5 days'")
        waits = await tx.values(
            int,
            """SELECT extract(epoch FROM scheduled_at - now())::int FROM procrastinate_jobs
               WHERE args->>'mail_id' = %(id)s AND scheduled_at IS NOT NULL ORDER BY id""",
            id=first[0],
        )
    assert [round(wait / 60) for wait in waits] == [1, 2]
    assert await try_once() == first  # the last time
    assert await try_once() != first  # the bounce


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("not an address", "request.invalid"),
        ("a@b@c.test", "request.invalid"),
        ("@outside.example", "request.invalid"),
        ("x@mail.litemail.test", "domain.target_not_allowed"),
        ("x@litemail.test", "domain.target_not_allowed"),
    ],
)
async def test_a_target_that_cannot_be_is_refused(owner: Owner, to: str, code: str) -> None:
    for path in ("email-forwarding", "catch-all"):
        body = {"domains": [owner.domain], "to": to}
        answer = await owner.call("POST", f"/v1/domains/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert answer.json()["details"][0]["field"] == "to"


async def test_no_workspace_asks_the_whole_world(owner: Owner) -> None:
    for number in range(50):
        await rule(owner, "catch-all", f"someone{number}@outside.example")
    body = {"domains": [owner.domain], "to": "one-more@outside.example"}
    answer = await owner.call("POST", "/v1/domains/catch-all", json=body)
    assert (answer.status_code, answer.json()["code"]) == (429, "domain.too_many_targets")
    await rule(owner, "catch-all", "someone7@outside.example")


async def test_aliases_are_listed_taken_once_and_deleted(owner: Owner, stranger: Owner) -> None:
    ada, bob = await owner.create("ada"), await owner.create("bob")
    path = f"/v1/mailboxes/{ada['id']}/aliases"
    made = (await owner.call("POST", path, json={"address": f"info@{owner.domain}"})).json()
    listed = (await owner.call("GET", path + "?count=true")).json()
    assert (listed["data"], listed["total"], listed["next_cursor"]) == ([made], 1, None)
    for address, code in (
        (f"info@{owner.domain}", "mailbox.address_taken"),
        (bob["email"], "mailbox.address_taken"),
        (ada["email"], "mailbox.address_taken"),
        ("info@not-ours.test", "mailbox.domain_not_usable"),
        (f"a@{stranger.domain}", "mailbox.domain_not_usable"),
        ("nonsense", "request.invalid"),
    ):
        answer = await owner.call("POST", path, json={"address": address})
        assert (answer.status_code in {409, 422}, answer.json()["code"]) == (True, code), address
    taken = await owner.call(
        "POST",
        "/v1/mailboxes",
        json={"domain": owner.domain, "username": "info", "first_name": "In", "last_name": "Fo"},
    )
    assert (taken.status_code, taken.json()["code"]) == (409, "mailbox.address_taken")
    for alias in ("als_01k5m3v8w0e3t9f7a2b4c6d8ee", "nonsense"):
        assert (await owner.call("DELETE", f"{path}/{alias}")).status_code == 404
    assert (await stranger.call("GET", path)).status_code == 404
    assert (await stranger.call("DELETE", f"{path}/{made['id']}")).status_code == 404
    assert (await owner.call("DELETE", f"/v1/mailboxes/{bob['id']}/aliases/{made['id']}")).status_code == 404
    assert (await owner.call("DELETE", f"{path}/{made['id']}")).status_code == 204
    assert (await owner.call("GET", path)).json()["data"] == []


async def test_a_mailbox_sends_as_its_aliases_only(owner: Owner, post: Post) -> None:
    ada, bob = await owner.create("ada"), await owner.create("bob")
    await owner.call("POST", f"/v1/mailboxes/{ada['id']}/aliases", json={"address": f"info@{owner.domain}"})
    for box, allowed in ((ada, True), (bob, False)):
        sender = Sender(box["id"], box["email"])
        assert await post.backend.may_send_as(sender, parse(f"info@{owner.domain}")) is allowed
        assert await post.backend.may_send_as(sender, parse(box["email"]))
        assert not await post.backend.may_send_as(sender, parse(f"other@{owner.domain}"))


async def test_aliases_go_and_come_with_their_mailbox(owner: Owner) -> None:
    ada, bob = await owner.create("ada"), await owner.create("bob")
    for local in ("one", "two"):
        await owner.call("POST", f"/v1/mailboxes/{ada['id']}/aliases", json={"address": f"{local}@{owner.domain}"})
    await owner.call("DELETE", f"/v1/mailboxes/{ada['id']}?at=now")
    assert (await route(owner, "one"))["result"] == "rejected"
    await owner.call("POST", f"/v1/mailboxes/{bob['id']}/aliases", json={"address": f"two@{owner.domain}"})
    assert (await owner.call("POST", f"/v1/mailboxes/{ada['id']}/restore")).status_code == 200
    assert (await route(owner, "one"))["mailbox_id"] == ada["id"]
    assert (await route(owner, "two"))["mailbox_id"] == bob["id"]


async def test_routes_are_explained_to_their_owner_only(owner: Owner, stranger: Owner) -> None:
    path = f"/v1/domains/{owner.domain}/route?address="
    assert (await stranger.call("GET", f"{path}a@{owner.domain}")).status_code == 404
    other = await owner.call("GET", f"{path}a@{stranger.domain}")
    assert (other.status_code, other.json()["code"]) == (422, "route.other_domain")
    assert (await owner.call("GET", f"{path}nonsense")).status_code == 422
    assert (await owner.call("GET", f"/v1/domains/{owner.domain}/route")).status_code == 422
