import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from litemail.connections import stream
from litemail.kit.db import Database
from litemail.kit.notify import Listener
from tests.conftest import Person, eventually
from tests.connections.test_connection_crashes import Reached
from tests.connections.world import World


def parse(text: str) -> list[dict[str, Any]]:
    """The events of a stream, comments left out."""
    found = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if fields:
            found.append({**fields, "data": json.loads(fields["data"])})
    return found


@dataclass
class Follower:
    """A client of the stream that can leave, which httpx's transport for applications cannot."""

    events: list[dict[str, Any]] = field(default_factory=list)
    raw: str = ""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    status: int = 0


@asynccontextmanager
async def following(
    client: httpx.AsyncClient, person: Person, connection_id: str, *, last: str | None = None
) -> AsyncIterator[Follower]:
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    follower = Follower()
    headers = {**person.headers, **({"last-event-id": last} if last else {})}
    path = f"/v1/connect-inbox/{connection_id}/events"
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("litemail.test", 80),
    }
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await follower.gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            follower.status = message["status"]
            return
        follower.raw += message.get("body", b"").decode()
        follower.events = parse(follower.raw)
        if not message.get("more_body"):
            follower.gone.set()

    task: asyncio.Task[None] = asyncio.create_task(transport.app(scope, receive, send))  # type: ignore[arg-type]  # ASGI by hand
    try:
        yield follower
    finally:
        follower.gone.set()
        await asyncio.wait_for(task, 5)


async def test_the_stream_begins_with_how_it_is_and_ends_with_done(
    world: World, client: httpx.AsyncClient, person: Person
):
    begun = await world.begin(3)
    async with following(client, person, begun["id"]) as follower:

        async def begun_all() -> bool:
            return len(follower.events) >= 3

        await eventually(begun_all)
        assert [event["data"]["status"] for event in follower.events] == ["queued"] * 3
        await world.run(begun["id"])

        async def done() -> bool:
            return bool(follower.events and follower.events[-1]["event"] == "done")

        await eventually(done)
    last = follower.events[-1]
    assert (last["data"]["id"], last["data"]["status"], last["data"]["connected"]) == (begun["id"], "completed", 3)
    assert {event["event"] for event in follower.events[:-1]} == {"inbox"}
    states = {event["data"]["email"]: event["data"]["status"] for event in follower.events[:-1]}
    assert set(states.values()) == {"connected"}
    numbers = [int(event["id"]) for event in follower.events]
    assert numbers == sorted(set(numbers))


async def test_a_client_that_comes_back_gets_what_it_missed(world: World, client: httpx.AsyncClient, person: Person):
    begun = await world.begin(4, options={"verify": False})
    async with following(client, person, begun["id"]) as follower:

        async def two() -> bool:
            return len(follower.events) >= 2

        await eventually(two)
    seen = follower.events[1]["id"]
    missed = parse((await _whole(world, begun["id"], last=seen, run=True)).text)
    assert [event["event"] for event in missed] == ["inbox"] * 4 + ["done"]
    assert {event["data"]["status"] for event in missed[:-1]} == {"connected"}
    middle = parse((await _whole(world, begun["id"], last=missed[2]["id"])).text)
    assert middle == missed[3:]
    nothing = await _whole(world, begun["id"], last=missed[-1]["id"])
    assert (nothing.status_code, nothing.text) == (204, "")


async def _whole(world: World, connection_id: str, *, last: str, run: bool = False) -> httpx.Response:
    if run:
        await world.run(connection_id)
    return await world.call("GET", f"/v1/connect-inbox/{connection_id}/events", headers={"last-event-id": last})


@pytest.mark.parametrize("last", ["", "x", "-1", "99999999999999999999", "१"])
async def test_an_id_that_is_none_of_ours_begins_anew(last: str):
    assert stream.last_seen(last) == 0


async def test_each_failure_is_told_with_its_problem(world: World):
    shown = await world.connect([{"email": "a@example.com", "pass": "wrong-password"}])
    answer = await world.call("GET", f"/v1/connect-inbox/{shown['id']}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    inbox, done = parse(answer.text)
    assert inbox["data"]["error"]["code"] == "inbox.bad_credentials"
    assert done["data"]["status"] == "failed"


async def test_a_retry_goes_on_in_the_same_stream(world: World):
    shown = await world.connect([{"email": "a@example.com", "pass": "timeout"}])
    first = parse((await world.call("GET", f"/v1/connect-inbox/{shown['id']}/events")).text)
    await world.call("POST", f"/v1/connect-inbox/{shown['id']}/retry")
    again = await _whole(world, shown["id"], last=first[-1]["id"], run=True)
    assert [event["event"] for event in parse(again.text)] == ["inbox", "done"]


async def test_cancelling_ends_the_stream(world: World, client: httpx.AsyncClient, person: Person):
    begun = await world.begin(2)
    async with following(client, person, begun["id"]) as follower:
        await world.call("DELETE", f"/v1/connect-inbox/{begun['id']}")

        async def done() -> bool:
            return bool(follower.events and follower.events[-1]["event"] == "done")

        await eventually(done)
    assert follower.events[-1]["data"]["status"] == "cancelled"
    assert {event["data"]["status"] for event in follower.events[-3:-1]} == {"cancelled"}


async def test_a_quiet_stream_beats_and_holds_no_database_connection(
    world: World, connection_news: Listener, database: Database, person: Person
):
    begun = await world.begin(1, options={"verify": False})
    reached = Reached(world, "before add")
    async with world.running(begun["id"]):
        await asyncio.wait_for(reached.event.wait(), 5)
        messages = stream.changes(
            database, connection_news, person.actor(), begun["id"], after=0, heartbeat=0.05, longest=0.4
        )
        comments = [message async for message in messages if message.comment]
    assert len(comments) >= 2
    assert comments[0].encode().startswith(b": ")


async def test_fifty_idle_followers_leave_the_pool_free(world: World, client: httpx.AsyncClient, person: Person):
    begun = await world.begin(1)
    async with asyncio.timeout(20):
        followers = [following(client, person, begun["id"]) for _ in range(50)]
        entered = await asyncio.gather(*(one.__aenter__() for one in followers))

        async def all_begun() -> bool:
            return all(one.events for one in entered)

        await eventually(all_begun)
        assert (await world.show(begun["id"]))["status"] == "queued"
        await asyncio.gather(*(one.__aexit__(None, None, None) for one in followers))
