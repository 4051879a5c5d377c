from collections.abc import Awaitable, Callable

import httpx


async def test_platforms_say_what_they_need_and_how_far_they_were_tried(
    as_person: Callable[..., Awaitable[httpx.Response]],
):
    answer = await as_person("GET", "/v1/platforms")
    assert answer.status_code == 200, answer.text
    instantly = next(row for row in answer.json()["data"] if row["platform_type"] == "instantly")
    assert (instantly["name"], instantly["connects"], instantly["sandbox_twin"]) == ("Instantly", "api", True)
    assert instantly["verified_live"] is False
    assert {row["field"] for row in instantly["credentials"]} >= {"api_key", "platform_email", "platform_pass"}
    assert instantly["limits"]["concurrency"] > 0


async def test_platforms_need_a_credential(client: httpx.AsyncClient):
    assert (await client.get("/v1/platforms")).status_code == 401
