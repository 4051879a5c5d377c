"""Inboxes of type `custom` that come without servers."""

import asyncio

from litemail.providers.mailhost import Found, Security, Server, Servers
from tests.connections.world import World

FOUND = Servers(
    Server("imap.example.com", 993, Security.TLS),
    Server("smtp.example.com", 587, Security.STARTTLS),
)
SHOWN = {
    "imap": {"host": "imap.example.com", "port": 993, "security": "tls"},
    "smtp": {"host": "smtp.example.com", "port": 587, "security": "starttls"},
}


async def test_servers_are_found_once_for_each_domain_used_kept_and_shown(world: World):
    world.domains.known = {"example.com": Found(FOUND)}
    shown = await world.connect(20, inbox_type="custom")
    assert (shown["status"], shown["connected"]) == ("completed", 20)
    assert world.domains.asked == {"example.com": 1}
    assert [row["servers"] for row in await world.inboxes(shown["id"])] == [SHOWN] * 20
    added = world.platform.inboxes["box0003@example.com"]
    assert (added.imap.host, added.smtp.port, added.imap.username) == (
        "imap.example.com",
        587,
        "box0003@example.com",
    )


async def test_they_are_looked_for_also_when_nothing_is_verified(world: World):
    world.domains.known = {"example.com": Found(FOUND)}
    shown = await world.connect(1, inbox_type="custom", options={"verify": False})
    assert shown["status"] == "completed"


async def test_a_user_name_that_is_the_local_part_is_kept_too_unless_one_was_given(world: World):
    world.domains.known = {"example.com": Found(FOUND, by_local_part=True)}
    inboxes = [
        {"email": "ada@example.com", "pass": "x"},
        {"email": "bob@example.com", "pass": "x", "username": "robert"},
    ]
    await world.connect(inboxes, inbox_type="custom")
    names = [world.platform.inboxes[f"{name}@example.com"].imap.username for name in ("ada", "bob")]
    assert names == ["ada", "robert"]


async def test_a_domain_without_servers_fails_its_inboxes_and_says_what_to_send(world: World):
    world.domains.known = {"example.com": Found(FOUND)}
    inboxes = [{"email": f"{name}@{domain}", "pass": "x"} for domain in ("example.com", "none.test") for name in "ab"]
    shown = await world.connect(inboxes, inbox_type="custom")
    assert (shown["status"], shown["connected"], shown["failed"]) == ("completed_with_errors", 2, 2)
    for row in await world.inboxes(shown["id"], status="failed"):
        error = row["error"]
        assert (error["code"], error["stage"]) == ("inbox.servers_not_found", "discovering")
        assert "imap and smtp" in error["action"]
        assert row["servers"] is None
    assert world.domains.asked["none.test"] == 1


async def test_silent_name_servers_are_asked_again(world: World):
    world.domains.known = {"example.com": Found(FOUND)}
    world.domains.silent["example.com"] = 2
    shown = await world.connect(3, inbox_type="custom")
    assert shown["status"] == "completed"
    assert world.domains.asked["example.com"] == 3


async def test_a_retry_uses_what_was_found(world: World):
    world.domains.known = {"example.com": Found(FOUND, by_local_part=True)}
    world.hosts.unreachable["ada@example.com"] = 99
    shown = await world.connect([{"email": "ada@example.com", "pass": "x"}], inbox_type="custom")
    assert shown["status"] == "failed"
    world.hosts.unreachable.clear()
    await world.call("POST", f"/v1/connect-inbox/{shown['id']}/retry")
    await world.run(shown["id"])
    assert (await world.show(shown["id"]))["status"] == "completed"
    assert world.domains.asked["example.com"] == 1
    assert world.platform.inboxes["ada@example.com"].imap.username == "ada"


async def test_cancelling_ends_a_look_that_takes_long(world: World):
    world.domains.silent["example.com"] = 10_000
    begun = await world.begin(2, inbox_type="custom")
    async with world.running(begun["id"]) as task:
        await asyncio.sleep(0)
        await world.call("DELETE", f"/v1/connect-inbox/{begun['id']}")
        await asyncio.wait_for(task, 2)
    assert (await world.show(begun["id"]))["status"] == "cancelled"
