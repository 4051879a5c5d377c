"""What supervisors and monitors ask: health, readiness, metrics."""

import re
from collections.abc import Mapping

import httpx
from psycopg.conninfo import conninfo_to_dict

from litemail.kit.db import Database, DatabaseUnavailable
from litemail.web import system
from tests.conftest import Databases, Person
from tests.web.conftest import MakeClient


async def test_alive_is_said_without_a_key_or_a_database(client: httpx.AsyncClient):
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_ready_means_that_every_part_is(make_client: MakeClient):
    async def unready() -> Mapping[str, str]:
        return {"database": "ok", "queue": "no worker"}

    assert (await (await make_client()).get("/readyz")).json() == {"status": "ok", "parts": {"database": "ok"}}
    answer = await (await make_client(ready=unready)).get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "parts": {"database": "ok", "queue": "no worker"}}


async def test_a_database_that_is_gone_makes_everything_503(
    databases: Databases, make_client: MakeClient, person: Person
):
    async with databases.fresh(size=2) as database:

        async def ready() -> Mapping[str, str]:
            return {"database": "ok" if await answers(database) else "gone"}

        api = await make_client(database=database, ready=ready)
        assert (await api.get("/readyz")).status_code == 200
        await database.close()
        assert (await api.get("/readyz")).status_code == 503
        assert (await api.get("/healthz")).status_code == 200
        for answer in (
            await api.get("/v1/users", headers=person.headers),
            await api.post("/v1/auth/login", json={"email": "a@example.com", "password": "x"}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (503, "database.unavailable")
            assert int(answer.headers["retry-after"]) > 0
            name = str(conninfo_to_dict(database.app_url)["dbname"])
            assert name not in answer.text


async def answers(database: Database) -> bool:
    try:
        async with database.system_statement() as tx:
            return await tx.value(int, "SELECT 1") == 1
    except DatabaseUnavailable:
        return False


async def routes_counted(client: httpx.AsyncClient) -> set[str]:
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    return set(re.findall(r'litemail_http_requests_total\{[^}]*route="([^"]*)"', answer.text))


async def test_requests_are_counted_by_route_and_not_by_path(client: httpx.AsyncClient, person: Person):
    for number in range(5):
        await client.get(f"/v1/workspaces/{number}", headers=person.headers)
        await client.get(f"/v1/workspaces/{number}")
    counted = await routes_counted(client)
    assert "/v1/workspaces/{workspace_id}" in counted
    assert not any(route.startswith("/v1/workspaces/") and route[-1].isdigit() for route in counted)


async def test_strangers_cannot_make_the_metrics_grow(client: httpx.AsyncClient):
    await client.request("BREW", "/first")
    before = len((await client.get("/metrics")).text.splitlines())
    for number in range(50):
        await client.request(f"BREW{number}", f"/nope/{number}")
        await client.get("/nope", headers={"host": f"x{number}.example"})
    await client.request("PATCH", "/nope")
    text = (await client.get("/metrics")).text
    assert 'method="other",route="unknown",status="404"' in text
    assert len(text.splitlines()) - before < 10


async def test_a_process_without_an_api_answers_the_same_questions():
    async def ready() -> Mapping[str, str]:
        return {"database": "gone"}

    transport = httpx.ASGITransport(app=system.health_app(ready))  # type: ignore[arg-type]  # other stubs of ASGI
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as api:
        assert (await api.get("/healthz")).status_code == 200
        assert (await api.get("/readyz")).status_code == 503
        assert (await api.get("/metrics")).status_code == 200
        nothing = await api.get("/openapi.json")
        assert (nothing.status_code, nothing.json()["code"]) == (404, "request.unknown_path")
        assert nothing.headers["x-request-id"]
