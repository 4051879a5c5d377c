"""Whole connections to platforms that take inboxes in batches, in the adapters' own words, against their servers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from litemail.connections.jobs import run as run_job
from litemail.kit.outbound import Guard, ListedOnly, own_routes
from litemail.kit.ports import PortBook
from litemail.mailboxes import MailAccess
from litemail.platforms import Doors
from litemail.providers.platform import Adapter, Registry, Site
from tests.conftest import eventually
from tests.connections.world import World
from tests.contracts.contract import answers_checked, load
from tests.contracts.twins import serving
from tests.providers.platform_worlds import ADAPTERS, SERVERS
from tests.providers.vendors.server import Vendor

BATCHES = ["plusvibe", "woodpecker"]


def posing(adapter: Adapter) -> Adapter:
    """Under the name of Instantly, which a sandbox connects to; these have no twin there."""
    limits = msgspec.structs.replace(adapter.declaration.limits, confirm_within=1)
    declaration = msgspec.structs.replace(adapter.declaration, platform_type="instantly", limits=limits)
    return replace(adapter, declaration=declaration)


@asynccontextmanager
async def vendor_of(platform_type: str) -> AsyncIterator[tuple[Vendor, int]]:
    contract = load(platform_type)
    vendor = SERVERS[platform_type](contract)
    async with serving(answers_checked(contract, vendor)) as port:
        yield vendor, port
        await vendor.rest()
    assert contract.violations == []


async def connect(world: World, platform_type: str, port: int, connection_id: str) -> None:
    async def no_rate(workspace_id: str, platform_type: str) -> int | None:
        return None

    adapter, root = ADAPTERS[platform_type], f"http://127.0.0.1:{port}"
    routes = own_routes(hosts=("127.0.0.1",), ports={port, 8993, 8587})
    guards = {**world.guards, "sandbox": Guard(policy=ListedOnly(routes))}
    await run_job(
        database=world.database,
        secrets=world.secrets,
        platforms=Registry({"instantly": posing(adapter)}),
        doors=Doors(guards, lambda *_: Site(root, root), no_rate),
        mail_access=MailAccess("127.0.0.1", PortBook(Path("/nowhere"))),
        connection_id=connection_id,
        pace=world.pace,
        inbox_sign_in=world.hosts.sign_in,
    )


def by_key(count: int = 0) -> dict[str, object]:
    return {"platform_email": None, "platform_pass": None, "platform_api_key": f"key-{count}"}


@pytest.mark.parametrize("platform_type", BATCHES)
async def test_hundreds_of_inboxes_end_connected_in_few_calls(world: World, platform_type: str) -> None:
    async with vendor_of(platform_type) as (vendor, port):
        begun = await world.begin(300, **by_key())
        await connect(world, platform_type, port, begun["id"])
        shown = await world.show(begun["id"])
        assert (shown["status"], shown["connected"]) == ("completed", 300)
        assert len(vendor.inboxes) == 300
        assert sum(vendor.calls.values()) < 60


@pytest.mark.parametrize("platform_type", BATCHES)
async def test_a_bad_inbox_fails_alone_and_the_report_is_true(world: World, platform_type: str) -> None:
    """The inbox signs in here and is refused there."""
    async with vendor_of(platform_type) as (vendor, port):
        vendor.wrong = "Secret-1"
        begun = await world.begin(5, **by_key())
        await connect(world, platform_type, port, begun["id"])
        rows = await world.inboxes(begun["id"])
        assert [row["status"] for row in rows] == ["connected", "failed", "connected", "connected", "connected"]
        expected = {"plusvibe": "platform.not_confirmed", "woodpecker": "inbox.bad_credentials"}
        assert rows[1]["error"]["code"] == expected[platform_type]
        assert len(vendor.inboxes) == 4


async def handed_over(vendor: Vendor) -> bool:
    return vendor.calls["POST /api/v1/partner-upload-regular-accounts"] > 0


async def test_a_login_is_kept_as_long_as_it_is_needed_and_then_erased(world: World) -> None:
    """Killed after the inboxes were handed over, the next run needs it to read them back."""
    async with vendor_of("plusvibe") as (vendor, port):
        vendor.seconds = 0.3
        begun = await world.begin(3)
        killed = asyncio.create_task(connect(world, "plusvibe", port, begun["id"]))
        await eventually(lambda: handed_over(vendor))
        killed.cancel()
        await asyncio.wait({killed})
        await connect(world, "plusvibe", port, begun["id"])
        assert (await world.show(begun["id"]))["status"] == "completed"
        assert len(vendor.inboxes) == 3
    async with world.database.begin_system("look at what is kept") as tx:
        kept = await tx.value(
            bool, "SELECT platform_password IS NOT NULL FROM connections WHERE id = %(id)s", id=begun["id"]
        )
    assert kept is False
