"""POST /v1/mailboxes, one at a time: from the call to a mailbox that can be signed in to."""

import asyncio
import imaplib
import time
from collections.abc import Callable, Iterator

from benchmarks import load, machine, world
from benchmarks.load import Caller, Load
from benchmarks.row import Row, Scale, milliseconds
from litemail.kit import passwords
from tests.journeys.installation import Customer, Installation

CLIENTS = 4
DOMAINS = 20
SIGNED_IN = 20
PASSWORD = "a password that somebody chose"


async def measure(scale: Scale) -> list[Row]:
    with world.fresh() as installed:
        process = installed.start("serve")
        async with world.registered(installed) as me, world.inside(installed) as house:
            workspace_id = (await me.call("GET", "/v1/users"))["default_workspace_id"]
            await world.add_slots(house.database, workspace_id=workspace_id)
            domains = await world.add_domains(house.database, workspace_id=workspace_id, first=1, count=DOMAINS)
            caller = world.caller(installed, me)

            async def create(names: str, seconds: float, **more: str) -> Load:
                requests = _requests(caller, domains, names, **more)
                return await load.run(caller.port, requests, clients=CLIENTS, seconds=seconds)

            await create("warm", 0.5)
            before = machine.processor_time(process.pid)
            generated = await create("generated", scale.seconds)
            spent = (machine.processor_time(process.pid) - before) / len(generated.times)
            await _sign_in_to_newest(installed, me)
            chosen = await create("chosen", scale.seconds, password=PASSWORD)
    fast, slow = _cost(passwords.hash_generated, 1000), _cost(passwords.ARGON2.hash, 3)
    return [
        Row(
            f"create a mailbox with a generated password, {CLIENTS} clients, {DOMAINS} domains, all of `serve`",
            f"{_shown(generated)}, {milliseconds(spent)} of processor time each; "
            f"{SIGNED_IN} of the last signed in to over IMAP",
            f"its hash, SSHA512: {fast * 1e6:.1f} µs each",
            goal="400/s",
        ),
        Row(
            f"create a mailbox with a chosen password, {CLIENTS} clients",
            _shown(chosen),
            f"its hash, argon2id, two at once: {milliseconds(slow)} each, so at most {2 / slow:.0f}/s",
            f"{chosen.rate * slow / 2:.2f} of the limit",
        ),
    ]


def _shown(measured: Load) -> str:
    return f"{measured.rate:,.0f}/s, p50 {milliseconds(measured.p50)}, p99 {milliseconds(measured.p99)}"


def _requests(caller: Caller, domains: list[str], names: str, **more: str) -> Callable[[int], Iterator[bytes]]:
    def of_client(client: int) -> Iterator[bytes]:
        number = 0
        while True:
            body = {
                "domain": domains[(number * CLIENTS + client) % len(domains)],
                "username": f"{names}{client}n{number}",
                "first_name": "Caroline",
                "last_name": "Thompson",
                **more,
            }
            yield caller.request("POST", "/v1/mailboxes", body)
            number += 1

    return of_client


async def _sign_in_to_newest(installed: Installation, me: Customer) -> None:
    """Raises imaplib's error when one of them is not usable."""
    newest = await me.call("GET", f"/v1/mailboxes?limit={SIGNED_IN}")
    trusted = world.trusted(installed)
    for mailbox in newest["data"]:
        given = await me.call("GET", f"/v1/mailboxes/{mailbox['id']}/credentials")

        def sign_in(email: str = given["email"], password: str = given["password"]) -> None:
            client = imaplib.IMAP4_SSL("127.0.0.1", installed.ports["imaps"], ssl_context=trusted, timeout=10)
            with client:
                client.login(email, password)

        await asyncio.to_thread(sign_in)


def _cost(hash_: Callable[[str], str], times: int) -> float:
    """Seconds for one."""
    started = time.perf_counter()
    for _ in range(times):
        hash_(PASSWORD)
    return (time.perf_counter() - started) / times
