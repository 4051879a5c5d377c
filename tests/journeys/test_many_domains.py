"""Many domains at once, and what is forwarded, in a whole installation."""

import asyncio
import smtplib
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.journeys.installation import Customer, Installation, customer, installation

pytestmark = pytest.mark.timeout(240)


async def all_domains(me: Customer) -> list[dict[str, Any]]:
    answer = await me.call("GET", "/v1/domains?limit=200")
    found: list[dict[str, Any]] = answer["data"]
    return found


async def test_two_hundred_connected_of_which_fifty_are_not_delegated(tmp_path: Path) -> None:
    names = [f"fleet-{number}.test" for number in range(200)]
    with installation(tmp_path) as house:
        house.start("serve")
        async with customer(house.url) as me:
            made = await me.call("POST", "/v1/domains/connect", {"domains": names}, expect=202)
            assert made["accepted"] == 200
            by_name = {domain["name"]: domain for domain in await all_domains(me)}

            async def delegate(name: str, servers: list[str]) -> None:
                await me.call("POST", "/v1/sandbox/delegations", {"domain": name, "name_servers": servers})

            await asyncio.gather(*(delegate(name, by_name[name]["name_servers"]) for name in names[:150]))
            await asyncio.gather(*(delegate(name, ["ns1.elsewhere.example"]) for name in names[150:175]))

            async def settled() -> bool:
                domains = await all_domains(me)
                return all(domain["status"] == "active" or domain["failure"] for domain in domains)

            async with asyncio.timeout(120):
                while not await settled():
                    await asyncio.sleep(0.5)
            found = {domain["name"]: domain for domain in await all_domains(me)}
            assert {found[name]["status"] for name in names[:150]} == {"active"}
            for name in names[150:]:
                failure, servers = found[name]["failure"], found[name]["name_servers"]
                code = "domain.wrong_name_servers" if name in names[150:175] else "domain.not_registered"
                assert (found[name]["status"], failure["code"]) == ("pending", code)
                assert all(server in failure["action"] for server in servers)
            assert "ns1.elsewhere.example" in found[names[150]]["failure"]["message"]


def send(house: Installation, to: str) -> None:
    with smtplib.SMTP("127.0.0.1", house.ports["smtp"], timeout=20) as client:
        client.sendmail("out@theirs.example", [to], b"From: out@theirs.example\r\nSubject: Hi\r\n\r\nText\r\n")


async def test_web_and_mail_of_a_domain_are_forwarded(tmp_path: Path) -> None:
    with installation(tmp_path) as house:
        house.start("serve")
        async with customer(house.url) as me, httpx.AsyncClient(trust_env=False) as anybody:
            await me.active_domain("acme.test")
            ada = await me.mailbox("acme.test", "ada")
            body = {"domains": ["acme.test"], "url": "https://example.com/welcome"}
            await me.call("POST", "/v1/domains/forwarding", body)
            async with asyncio.timeout(5):
                while True:
                    url = f"http://127.0.0.1:{house.ports['redirect']}/"
                    visit = await anybody.get(url, headers={"host": "www.acme.test"})
                    if visit.status_code == 301:
                        break
                    await asyncio.sleep(0.02)
            assert visit.headers["location"] == "https://example.com/welcome"
            asked = await anybody.get(f"{house.url}/internal/tls-allowed?domain=www.acme.test")
            assert asked.status_code == 200

            await me.call("POST", "/v1/domains/email-forwarding", {"domains": ["acme.test"], "to": "me@home.example"})
            asking = await arrived(house, "fwt_*.eml")
            link = next(word for word in asking.split() if word.startswith(f"{house.url}/forwarding/"))
            await asyncio.to_thread(send, house, "ada@acme.test")
            assert (await anybody.post(link)).status_code == 200
            await asyncio.to_thread(send, house, "ada@acme.test")
            forwarded = await arrived(house, "fwm_*.eml")
            assert "Envelope-To: me@home.example" in forwarded
            assert "ARC-Seal: i=1;" in forwarded
            assert "Return-Path: <srs0=" in forwarded
            assert len(list((house.folder / "mail").glob(f"*/{ada['id']}/new/*"))) == 2
            assert len(list((house.folder / "outbox").glob("fwm_*.eml"))) == 1


async def arrived(house: Installation, pattern: str) -> str:
    async with asyncio.timeout(20):
        while not (found := sorted((house.folder / "outbox").glob(pattern))):
            await asyncio.sleep(0.05)
    return await asyncio.to_thread(found[0].read_text)
