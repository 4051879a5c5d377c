"""Platform accounts at the API, with a platform made of memory behind the door."""

import asyncio
import secrets as random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from litemail.kit.db import Database
from litemail.kit.outbound import AddressNotAllowed
from litemail.kit.secrets import Secrets
from litemail.platforms import Doors, accounts, jobs
from litemail.providers.platform import BadCredentials, RateLimited, Registry, Site, TotpRequired, registry
from litemail.web import api
from tests.conftest import NewPerson, Person, Unheard, guards
from tests.connections.world import NAME, Platform, down


@dataclass
class World:
    """One platform for all tests, and who asks; the adapters and doors are made once, as the program makes them."""

    database: Database
    secrets: Secrets
    client: httpx.AsyncClient
    registry: Registry
    doors: Doors
    platform: Platform
    person: Person | None = None

    async def call(self, method: str, path: str, json: object = None, **headers: str) -> httpx.Response:
        assert self.person is not None
        return await self.client.request(method, path, json=json, headers={**self.person.headers, **headers})

    async def store(self, **given: Any) -> httpx.Response:
        return await self.call("POST", "/v1/exports/accounts", {"platform_type": "instantly", **given})

    async def stored(self, **given: Any) -> dict[str, Any]:
        answer = await self.store(**given)
        assert answer.status_code == 201, answer.text
        account: dict[str, Any] = answer.json()
        return account

    async def told(self, account_id: str) -> list[str]:
        async with self.database.begin_system("test") as tx:
            return await tx.values(
                str,
                "SELECT type FROM events WHERE subject = %(id)s AND audience = 'public' ORDER BY number",
                id=account_id,
            )

    async def check(self, account_id: str) -> None:
        """The daily check, as its job does it."""
        assert self.person is not None
        await jobs.check(
            database=self.database,
            secrets=self.secrets,
            platforms=self.registry,
            doors=self.doors,
            account_id=account_id,
            workspace_id=self.person.workspace_id,
        )


@pytest.fixture(scope="module")
async def shared(database: Database, secrets: Secrets, api_resources: dict[str, object]) -> AsyncIterator[World]:
    async def no_rate(_workspace_id: str, _platform_type: str) -> int | None:
        return None

    async def ready() -> dict[str, str]:
        return {}

    platform = Platform()
    doors = Doors(guards(), lambda *_: Site("http://127.0.0.1:1", "http://127.0.0.1:1"), no_rate)
    known = registry([platform.adapter()])
    app = api.create(
        database=database,
        secrets=secrets,
        rate_limit=0,
        key_uses=Unheard(),
        ready=ready,
        resources={**api_resources, "platforms": known, "doors": doors},
    )
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)  # type: ignore[arg-type]  # other stubs of ASGI
    async with httpx.AsyncClient(transport=transport, base_url="http://litemail.test") as client:
        yield World(database, secrets, client, known, doors, platform)


@pytest.fixture
async def world(shared: World, new_person: NewPerson) -> World:
    shared.person = await new_person()
    return shared


@pytest.fixture(autouse=True)
def platform_as_new(shared: World) -> Iterator[None]:
    yield
    shared.platform.failing.clear()
    shared.platform.latency = 0.0


async def test_a_key_is_stored_once_the_platform_let_us_in(world: World):
    account = await world.stored(api_key="good-key", label="Agency")
    assert (account["status"], account["label"], account["platform_email"]) == ("verified", "Agency", None)
    assert account["workspaces"] == [{"id": "w1", "name": "Work"}]
    assert account["verified_at"]
    shown = (await world.call("GET", f"/v1/exports/accounts/{account['id']}")).json()
    assert shown == account
    assert "good-key" not in str(shown)
    assert await world.told(account["id"]) == ["platform_account.created", "platform_account.verified"]


async def test_the_key_is_kept_encrypted(world: World):
    account = await world.stored(api_key="good-key")
    async with world.database.begin_system("test") as tx:
        sealed = await tx.value(bytes, "SELECT api_key FROM platform_accounts WHERE id = %(id)s", id=account["id"])
    assert sealed is not None
    assert b"good-key" not in sealed
    assert world.secrets.open(sealed, row=account["id"]) == "good-key"


async def test_a_password_becomes_a_key_and_is_not_kept(world: World):
    before = len(world.platform.keys)
    account = await world.stored(platform_email="Me@Example.com", platform_pass="Lite@Mail2024!")
    assert (account["platform_email"], account["workspace"]) == ("me@example.com", "Work")
    assert world.platform.keys[before:] == [f"Litemail {account['id']}"]
    async with world.database.begin_system("test") as tx:
        row = await tx.value(str, "SELECT a::text FROM platform_accounts a WHERE id = %(id)s", id=account["id"])
    assert "Lite@Mail2024!" not in (row or "")


@pytest.mark.parametrize(
    "given", [{"api_key": "wrong-password"}, {"platform_email": "me@example.com", "platform_pass": "wrong-password"}]
)
async def test_wrong_credentials_are_refused_and_nothing_is_stored(world: World, given: dict[str, str]):
    answer = await world.store(**given)
    assert (answer.status_code, answer.json()["code"]) == (422, "platform.bad_credentials")
    assert "wrong-password" not in answer.text
    assert (await world.call("GET", "/v1/exports/accounts")).json()["data"] == []


async def test_a_platform_that_is_down_or_silent_is_503(world: World, monkeypatch: pytest.MonkeyPatch):
    """Patches how long it is waited for only."""
    world.platform.failing["check"] = down(1)
    answer = await world.store(api_key="good-key")
    assert (answer.status_code, answer.json()["code"]) == (503, "platform.unavailable")
    assert answer.headers["retry-after"]
    assert answer.json()["action"].startswith("Nothing was stored or changed. Send it again")
    world.platform.failing["check"] = [RateLimited(name=NAME, retry_after=30.0)]
    answer = await world.store(api_key="good-key")
    assert (answer.status_code, answer.json()["code"]) == (503, "platform.rate_limited")
    assert (answer.headers["retry-after"], "Send it again" in answer.json()["action"]) == ("30", True)
    monkeypatch.setattr(accounts, "VERIFY_WITHIN", 0.05)
    world.platform.latency = 5.0
    answer = await world.store(api_key="good-key")
    assert (answer.status_code, answer.json()["code"]) == (503, "platform.unavailable")
    assert (await world.call("GET", "/v1/exports/accounts")).json()["data"] == []


async def test_no_transaction_is_open_while_the_platform_is_asked(world: World):
    open_ = -1

    async def look(_name: str, _about: str) -> None:
        nonlocal open_
        async with world.database.begin_system("test") as tx:
            open_ = (
                await tx.value(
                    int,
                    """SELECT count(*) FROM pg_stat_activity
                       WHERE state LIKE 'idle in transaction%%' AND datname = current_database()""",
                )
                or 0
            )

    world.platform.before = look
    await world.stored(api_key="good-key")
    world.platform.before = None
    assert open_ == 0


async def test_the_same_login_is_stored_once_and_another_workspace_of_it_is_another(world: World):
    first = await world.stored(api_key="good-key")
    again = await world.store(api_key="good-key")
    assert (again.status_code, again.json()["code"]) == (409, "platform_account.exists")
    assert first["id"] in again.json()["message"]
    second = await world.stored(api_key="second-key")
    listed = (await world.call("GET", "/v1/exports/accounts?count=true")).json()
    assert ([each["id"] for each in listed["data"]], listed["total"]) == ([second["id"], first["id"]], 2)
    assert (await world.call("GET", "/v1/exports/accounts?platform_type=smartlead")).json()["data"] == []


async def test_the_same_login_from_two_at_once_is_stored_once_and_the_other_hears_where(world: World):
    world.platform.latency = 0.1
    key = f"key {random.token_hex(4)}"
    answers = await asyncio.gather(*(world.store(api_key=key) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    (stored,) = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    assert all(f"PUT /v1/exports/accounts/{stored}," in each.json()["action"] for each in answers if each.is_error)


async def test_two_logins_changed_at_once_do_not_become_one(world: World):
    accounts_ = [await world.stored(platform_email=f"{n}@example.com", api_key="good-key") for n in range(2)]
    world.platform.latency = 0.1
    answers = await asyncio.gather(
        *(
            world.call("PUT", f"/v1/exports/accounts/{each['id']}", {"platform_email": "both@example.com"})
            for each in accounts_
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_the_same_request_twice_stores_one(world: World):
    body = {"platform_type": "instantly", "api_key": f"key {random.token_hex(4)}"}
    headers = {"idempotency-key": "one"}
    answers = await asyncio.gather(*(world.call("POST", "/v1/exports/accounts", body, **headers) for _ in range(2)))
    late = await world.call("POST", "/v1/exports/accounts", body, **headers)
    assert late.status_code == 201
    assert {answer.json().get("id", late.json()["id"]) for answer in answers} == {late.json()["id"]}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "api_key"),
        ({"platform_email": "me@example.com"}, "api_key"),
        ({"platform_pass": "x"}, "platform_email"),
        ({"api_key": "k", "client_id": "x"}, "client_id"),
        ({"api_key": "k", "url": "https://127.0.0.1"}, "url"),
        ({"api_key": "k", "url": "http://example.com"}, "url"),
        ({"api_key": ""}, "api_key"),
        ({"api_key": "k", "labels": "x"}, "labels"),
    ],
)
async def test_what_a_platform_needs_is_named(world: World, given: dict[str, str], field: str):
    answer = await world.store(**given)
    assert answer.status_code == 422, answer.text
    assert field in [detail["field"] for detail in answer.json()["details"]]


@pytest.mark.parametrize(("name", "code"), [("nobody", "platform.unknown"), ("snov", "platform.file_only")])
async def test_platforms_that_cannot_be_signed_in_to_say_so(world: World, name: str, code: str):
    answer = await world.store(platform_type=name, api_key="k")
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_changes_are_verified_and_what_is_left_out_stays(world: World):
    account = await world.stored(platform_email="me@example.com", api_key="good-key", label="Agency")
    path = f"/v1/exports/accounts/{account['id']}"
    renamed = await world.call("PUT", path, {"label": "Other"})
    assert (renamed.status_code, renamed.json()["label"]) == (200, "Other")
    assert renamed.json()["platform_email"] == "me@example.com"
    refused = await world.call("PUT", path, {"api_key": "wrong-password", "label": "Third"})
    assert (refused.status_code, refused.json()["code"]) == (422, "platform.bad_credentials")
    assert (await world.call("GET", path)).json()["label"] == "Other"
    assert (await world.call("PUT", path, {"api_key": "better-key"})).status_code == 200
    async with world.database.begin_system("test") as tx:
        sealed = await tx.value(bytes, "SELECT api_key FROM platform_accounts WHERE id = %(id)s", id=account["id"])
    assert world.secrets.open(sealed or b"", row=account["id"]) == "better-key"


async def test_a_changed_login_cannot_become_one_that_is_stored_already(world: World):
    await world.stored(platform_email="one@example.com", api_key="good-key")
    second = await world.stored(platform_email="two@example.com", api_key="good-key")
    answer = await world.call("PUT", f"/v1/exports/accounts/{second['id']}", {"platform_email": "one@example.com"})
    assert (answer.status_code, answer.json()["code"]) == (409, "platform_account.exists")


async def test_the_daily_check_tells_when_a_login_stops_working_and_when_it_works_again(world: World):
    account = await world.stored(api_key="good-key")
    await world.check(account["id"])
    world.platform.failing["check"] = [BadCredentials(name=NAME, words="revoked"), TotpRequired(name=NAME)]
    await world.check(account["id"])
    shown = (await world.call("GET", f"/v1/exports/accounts/{account['id']}")).json()
    assert (shown["status"], shown["problem"]["code"]) == ("refused", "platform.bad_credentials")
    await world.check(account["id"])
    world.platform.failing["check"] = down(1)
    await world.check(account["id"])
    await world.check(account["id"])
    shown = (await world.call("GET", f"/v1/exports/accounts/{account['id']}")).json()
    assert (shown["status"], shown["problem"]) == ("verified", None)
    assert await world.told(account["id"]) == [
        "platform_account.created",
        "platform_account.verified",
        "platform_account.refused",
        "platform_account.verified",
    ]


async def test_an_address_that_may_not_be_reached_any_more_is_a_login_that_stopped_working(world: World):
    account = await world.stored(api_key="good-key")
    world.platform.failing["check"] = [AddressNotAllowed(host="dedi.example.com")]
    await world.check(account["id"])
    shown = (await world.call("GET", f"/v1/exports/accounts/{account['id']}")).json()
    assert (shown["status"], shown["problem"]["code"]) == ("refused", "outbound.address_not_allowed")
    assert (await world.told(account["id"]))[-1] == "platform_account.refused"


async def test_checks_are_due_once_a_day_spread_and_each_for_one_worker(world: World):
    made = [await world.stored(api_key=f"key-{n}") for n in range(4)]

    async def due() -> dict[str, float]:
        async with world.database.begin_system("test") as tx:
            rows = await tx.connection.execute(
                """SELECT id, extract(epoch FROM check_at - now())::float FROM platform_accounts
                   WHERE id = ANY (%(ids)s)""",
                {"ids": [account["id"] for account in made]},
            )
            return dict(await rows.fetchall())

    first = await due()
    assert all(0.89 * 86400 < seconds < 1.11 * 86400 for seconds in first.values())
    assert len({round(seconds) for seconds in first.values()}) > 1
    async with world.database.begin_system("test") as tx:
        await tx.execute(
            "UPDATE platform_accounts SET check_at = now() - interval '1 minute' WHERE id = %(id)s", id=made[0]["id"]
        )
    for _ in range(2):
        await jobs.check_due(database=world.database)
    async with world.database.begin_system("test") as tx:
        waiting = await tx.value(
            int,
            """SELECT count(*) FROM procrastinate_jobs
               WHERE task_name = 'platforms.check' AND args->>'account_id' = %(id)s""",
            id=made[0]["id"],
        )
    assert waiting == 1
    assert (await due())[made[0]["id"]] < 3700


async def test_others_do_not_see_it(world: World, new_person: NewPerson):
    account = await world.stored(api_key="good-key")
    world.person = await new_person()
    path = f"/v1/exports/accounts/{account['id']}"
    for method, json in (("GET", None), ("PUT", {"label": "x"}), ("DELETE", None)):
        answer = await world.call(method, path, json)
        assert (answer.status_code, answer.json()["code"]) == (404, "platform_account.not_found")
    assert (await world.call("GET", "/v1/exports/accounts/pfa_x")).status_code == 404
