"""GET /v1/domains/available: what can be bought, and what else says whether a name is somebody's."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from litemail.domains import Margin, Market, Parents
from litemail.domains.availability import check_all, look_up
from litemail.kit.db import Database
from litemail.kit.money import Money
from litemail.kit.outbound import Guard, ListedOnly, own_routes
from litemail.providers.registrar import (
    Availability,
    Lookup,
    Offer,
    Prices,
    Registrars,
    RegistrarUnavailable,
)
from litemail.providers.registrar.rdap import BadBootstrapFile, Rdap, read_servers
from litemail.servers.sandbox.registrar import SandboxRegistrar
from tests.conftest import AsPerson, Dns, Person

_numbers = count(1)


@pytest.fixture
def label(person: Person) -> str:
    """Part of a name that no other test uses."""
    return f"{person.user_id[-12:]}{next(_numbers)}"


async def ask(as_person: AsPerson, query: str) -> list[dict[str, Any]]:
    answer = await as_person("GET", f"/v1/domains/available?{query}")
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


async def test_exactly_the_names_that_were_asked_for(as_person: AsPerson, label: str) -> None:
    free, premium, taken = f"{label}.test", f"premium-{label}.test", f"taken-{label}.test"
    found = await ask(as_person, f"names={free},{premium},{taken},{free.upper()},co.uk,hopper.com,x y.test")
    by_name = {each["name"]: each for each in found}
    assert [each["name"] for each in found] == [free, premium, taken, "co.uk", "hopper.com", "x y.test"]
    assert by_name[free] == {
        "name": free,
        "available": True,
        "premium": False,
        "price": {"amount": 1200, "currency": "USD"},
        "renewal_price": {"amount": 1200, "currency": "USD"},
        "reason": None,
    }
    assert (by_name[premium]["premium"], by_name[premium]["price"]["amount"]) == (True, 25_000)
    assert (by_name[taken]["available"], by_name[taken]["price"]) == (False, None)
    assert "registered" in by_name[taken]["reason"]
    assert "public suffix" in by_name["co.uk"]["reason"]
    assert ".test" in by_name["hopper.com"]["reason"]
    assert "space" in by_name["x y.test"]["reason"]


async def test_a_keyword_gives_fifty_suggestions(as_person: AsPerson, label: str) -> None:
    found = await ask(as_person, f"q=brand {label}")
    assert len(found) == 50
    assert found[0]["name"] == f"brand{label}.test"
    assert all(each["available"] and each["price"] for each in found)
    assert (await ask(as_person, f"q={label}.test"))[0]["name"] == f"{label}.test"


async def test_names_of_this_workspace_and_of_others_are_not_to_be_had(
    as_person: AsPerson, label: str, database: Database
) -> None:
    name = f"{label}.test"
    await as_person("POST", "/v1/domains/connect", json={"domains": [name]})
    [mine] = await ask(as_person, f"names={name}")
    assert "in this workspace" in mine["reason"]
    assert (await SandboxRegistrar(database).check(name)).availability is Availability.TAKEN


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "domain.nothing_to_look_up"),
        ("q=", "domain.nothing_to_look_up"),
        ("q=a&names=b.test", "domain.nothing_to_look_up"),
        ("names=,,", "domain.nothing_to_look_up"),
        ("q=%F0%9F%98%80", "domain.no_suggestions"),
        ("q=hopper&tlds=nosuchending", "domain.no_suggestions"),
        ("names=" + ",".join(f"a{n}.test" for n in range(101)), "request.invalid"),
        ("q=a&tlds=" + ",".join(f"a{n}" for n in range(21)), "request.invalid"),
    ],
)
async def test_questions_that_cannot_be_answered(as_person: AsPerson, query: str, code: str) -> None:
    answer = await as_person("GET", f"/v1/domains/available?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, code)


@dataclass
class Slow:
    """Somebody who takes so many seconds for each name, and counts who asks at the same time."""

    seconds: float = 0.3
    at_most: int = 0
    name: str = "slow"
    at_once: int = 20
    needs_phone: bool = False
    _asking: int = field(default=0)

    async def check(self, name: str) -> Offer:
        self._asking += 1
        self.at_most = max(self.at_most, self._asking)
        await asyncio.sleep(self.seconds)
        self._asking -= 1
        return Offer(name, Availability.AVAILABLE, Prices(Money(999), Money(1001)))


class Away(Slow):
    async def check(self, name: str) -> Offer:  # noqa: ARG002
        raise RegistrarUnavailable(registrar="The registrar", reason="it is away")


def market(registrar: object = None, *, margin: str = "0", rdap: Lookup | None = None) -> Market:
    by_mode: Any = {"live": registrar} if registrar else {}
    return Market(registrars=Registrars(by_mode), margin=Margin(Decimal(margin)), rdap=rdap)


async def test_fifty_names_are_asked_for_at_the_same_time_but_not_all_at_once(dns_server: Dns) -> None:
    slow, wanted = Slow(), [f"a{n}.com" for n in range(50)]
    began = time.monotonic()
    offers = await check_all(wanted, market=market(slow), parents=dns_server.parents, mode="live")
    assert time.monotonic() - began < 3
    assert slow.at_most == 20
    assert [offer.name for offer in offers] == wanted


async def test_what_does_not_answer_in_time_is_not_known(dns_server: Dns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litemail.domains.availability.PATIENCE", 0.1)  # nine seconds are too long for a test
    [offer] = await check_all(["a.com"], market=market(Slow(5)), parents=dns_server.parents, mode="live")
    assert (offer.availability, offer.words) == (Availability.UNKNOWN, "nobody answered in time; ask again")


async def test_a_registrar_that_is_away_makes_nothing_available(dns_server: Dns) -> None:
    [offer] = await check_all(["a.com"], market=market(Away()), parents=dns_server.parents, mode="live")
    assert offer.availability is Availability.UNKNOWN
    assert "away" in str(offer.words)


async def test_the_margin_is_added_and_rounded_up(database: Database, person: Person, dns_server: Dns) -> None:
    [found] = await look_up(
        database,
        person.actor(mode="live"),
        market=market(Slow(0), margin="12.5"),
        parents=dns_server.parents,
        ours=(),
        given=["a.com"],
    )
    assert found.price is not None
    assert (found.price.first_year, found.price.renewal) == (Money(1124), Money(1127))


# Without a registrar


@asynccontextmanager
async def registry(answers: dict[str, tuple[int, bytes]]) -> AsyncIterator[Rdap]:
    """A registry's RDAP server for names under .com."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readuntil(b"\r\n\r\n")
        name = line.split()[1].decode().removeprefix("/com/v1/domain/")
        status, body = answers.get(name, (404, b""))
        writer.write(b"HTTP/1.1 %d X\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        routes = own_routes(hosts=["127.0.0.1"], ports={port})
        yield Rdap({"com": f"http://127.0.0.1:{port}/com/v1/"}, Guard(policy=ListedOnly(routes)))


def domain(name: str) -> bytes:
    return json.dumps({"objectClassName": "domain", "ldhName": name.upper()}).encode()


async def test_what_registries_tell_everybody() -> None:
    answers = {
        "taken.com": (200, domain("taken.com")),
        "other.com": (200, domain("somethingelse.com")),
        "odd.com": (200, b"<html>"),
        "busy.com": (429, b""),
    }
    async with registry(answers) as rdap:
        found = {name: (await rdap.check(name)).availability for name in [*answers, "free.com", "free.co.uk"]}
    assert found == {
        "taken.com": Availability.TAKEN,
        "other.com": Availability.UNKNOWN,
        "odd.com": Availability.UNKNOWN,
        "busy.com": Availability.UNKNOWN,
        "free.com": Availability.AVAILABLE,
        "free.co.uk": Availability.UNKNOWN,
    }
    assert (await rdap.check("free.com")).availability is Availability.UNKNOWN  # it is gone


async def test_registries_tell_when_a_registration_has_ended() -> None:
    now = datetime(2026, 1, 29, tzinfo=UTC)

    def until(text: str, *status: str) -> tuple[int, bytes]:
        told = {
            "objectClassName": "domain",
            "status": list(status),
            "events": [
                {"eventAction": "registration", "eventDate": "2020-01-01T00:00:00Z"},
                {"eventAction": "expiration", "eventDate": text},
            ],
        }
        return 200, json.dumps(told).encode()

    answers = {
        "ended.com": until("2026-01-28T23:59:59Z"),
        "given-up.com": until("2026-02-01T00:00:00Z", "redemption period"),
        "running.com": until("2026-01-29T00:00:01.5+00:00", "active"),
        "odd.com": until("some day"),
        "silent.com": (200, domain("silent.com")),
        "busy.com": (429, b""),
    }
    async with registry(answers) as rdap:
        ended = {name for name in [*answers, "free.com", "free.co.uk"] if await rdap.has_expired(name, now=now)}
    assert ended == {"ended.com", "given-up.com"}
    assert not await rdap.has_expired("ended.com", now=now)  # the registry is away


def test_the_bootstrap_file_names_secure_servers_by_ending(tmp_path: Path) -> None:
    file = tmp_path / "dns.json"
    services = [
        [["com", "NET"], ["http://rdap.example/com", "https://rdap.example/com"]],
        [["org"], ["https://rdap.example/org/"]],
        [["xyz"], ["http://rdap.example/"]],
    ]
    file.write_text(json.dumps({"version": "1.0", "publication": "2026-01-01T00:00:00Z", "services": services}))
    assert read_servers(file) == {
        "com": "https://rdap.example/com/",
        "net": "https://rdap.example/com/",
        "org": "https://rdap.example/org/",
    }


@pytest.mark.parametrize("text", ["", "[]", '{"services": [["com"]]}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "dns.json"
    file.write_text(text)
    with pytest.raises(BadBootstrapFile):
        read_servers(file)
    with pytest.raises(BadBootstrapFile):
        read_servers(tmp_path / "nothing")


async def test_where_nobody_else_knows_the_dns_is_asked(dns_server: Dns, as_person: AsPerson, label: str) -> None:
    """The sandbox's registry stands in for the public one."""
    taken = f"{label}.test"
    delegation = {"domain": taken, "name_servers": ["ns1.example.com", "ns2.example.com"]}
    assert (await as_person("POST", "/v1/sandbox/delegations", json=delegation)).status_code == 200
    everybody = Parents(live=dns_server.parents.sandbox, sandbox=dns_server.parents.sandbox)

    async def check(name: str) -> Offer:
        [offer] = await check_all([name], market=market(), parents=everybody, mode="live")
        return offer

    async with asyncio.timeout(5):
        while (await check(taken)).availability is not Availability.TAKEN:
            await asyncio.sleep(0.02)
    free = await check(f"free-{label}.test")
    assert (free.availability, free.prices) == (Availability.AVAILABLE, None)
    assert "only a registrar knows" in str(free.words)
