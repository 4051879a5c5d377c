"""A repeat does nothing and hears the same answer; an answer is sent only for what was committed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import httpx
import pytest
from litestar import get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from litemail.kit import idempotency
from litemail.kit.actor import Actor, requires
from litemail.kit.db import Database, Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.ids import new_id
from litemail.kit.wire import Given, RequestModel, operation
from tests import doomed
from tests.conftest import Databases, NewPerson, Person
from tests.web.conftest import MakeClient

Call = Callable[..., Coroutine[Any, Any, httpx.Response]]


class Note(RequestModel):
    text: str


class Refused(Error):
    kind = Kind.CONFLICT
    code = "test.refused"
    message = "Not now."


released = asyncio.Event()
"""Lets slow notes go on."""
arrived = asyncio.Event()


async def _write(tx: Tx, actor: Actor, text: str) -> dict[str, str]:
    if text == "fail":
        raise Refused
    await tx.emit("test.noted", workspace_id=actor.workspace_id, subject=actor.workspace_id, data={"text": text})
    if text == "slow":
        arrived.set()
        await released.wait()
    if text == "break after":
        raise Refused
    if text == "crash":
        raise ZeroDivisionError
    return {"id": new_id("evt"), "text": text}


_ABOUT: dict[str, Any] = operation("Write a note", group="Test", scope=requires("domains:write"))


@post("/test/notes", **_ABOUT)
async def write_note(
    data: JSONBody[Note], tx: Given[Tx], actor: Given[Actor], loud: FromQuery[bool] = False
) -> dict[str, str]:
    return await _write(tx, actor, data.text.upper() if loud else data.text)


@put("/test/notes/{name:str}", **_ABOUT)
async def put_note(name: FromPath[str], data: JSONBody[Note], tx: Given[Tx], actor: Given[Actor]) -> dict[str, str]:
    return await _write(tx, actor, data.text + name)


@post("/test/doomed", **_ABOUT)
async def doom(tx: Given[Tx]) -> dict[str, str]:
    await tx.execute("INSERT INTO doomed VALUES (1)")
    return {"said": "success"}


@post("/test/looks", **_ABOUT)
async def look(tx: Given[Tx], actor: Given[Actor]) -> dict[str, int]:
    await tx.emit("test.looked", workspace_id=actor.workspace_id, subject=actor.workspace_id)
    return {"seen": 1}


@get("/test/notes", **operation("Count notes", group="Test", scope=requires("domains:read")))
async def count_notes(tx: Given[Tx]) -> dict[str, int]:
    return {"notes": await tx.value(int, "SELECT count(*) FROM events WHERE type = 'test.noted'") or 0}


ROUTES = [write_note, put_note, doom, look, count_notes]


@pytest.fixture
async def api(make_client: MakeClient) -> AsyncIterator[httpx.AsyncClient]:
    released.clear()
    arrived.clear()
    yield await make_client(more_routes=ROUTES)
    released.set()


@pytest.fixture
def call(api: httpx.AsyncClient, person: Person) -> Call:
    """Posts a note as `person` under a key."""

    async def post_note(
        text: str, key: str, *, path: str = "/v1/test/notes", method: str = "POST", **headers: str
    ) -> httpx.Response:
        given = {**person.headers, "idempotency-key": key, **{name.replace("_", "-"): v for name, v in headers.items()}}
        return await api.request(method, path, json={"text": text}, headers=given)

    return post_note


@pytest.fixture
def count(api: httpx.AsyncClient, person: Person) -> Callable[[], Awaitable[int]]:
    async def notes() -> int:
        return int((await api.get("/v1/test/notes", headers=person.headers)).json()["notes"])

    return notes


Count = Callable[[], Awaitable[int]]


async def test_a_repeat_hears_the_same_answer_and_does_nothing(call: Call, count: Count):
    first = await call("hello", "k1")
    again = await call("hello", "k1")
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["content-type"] == first.headers["content-type"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert await count() == 1


async def test_without_a_key_a_repeat_is_done_again(api: httpx.AsyncClient, person: Person, count: Count):
    for _ in range(2):
        answer = await api.post("/v1/test/notes", json={"text": "hello"}, headers=person.headers)
        assert answer.status_code == 201
    assert await count() == 2


async def test_another_body_under_the_same_key_is_refused(call: Call, count: Count):
    await call("hello", "k1")
    other = await call("goodbye", "k1")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency.key_reused")
    assert await count() == 1


async def test_two_simultaneous_equal_requests_make_one_effect(call: Call, count: Count):
    first = asyncio.create_task(call("slow", "k1"))
    await arrived.wait()
    second = await call("slow", "k1")
    assert (second.status_code, second.json()["code"]) == (409, "idempotency.in_progress")
    assert second.json()["retryable"] is True
    released.set()
    assert (await first).status_code == 201
    third = await call("slow", "k1")
    assert third.content == (await first).content
    assert await count() == 1


async def test_many_equal_requests_at_once_make_one_effect(call: Call, count: Count):
    answers = await asyncio.gather(*(call("hello", "k1") for _ in range(12)))
    done = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert len({answer.content for answer in done}) == 1
    assert {answer.json()["code"] for answer in refused} <= {"idempotency.in_progress"}
    assert await count() == 1


@pytest.mark.parametrize(("text", "status"), [("fail", 409), ("break after", 409), ("crash", 500)])
async def test_an_error_frees_the_key_and_leaves_nothing(call: Call, count: Count, text: str, status: int):
    assert (await call(text, "k1")).status_code == status
    assert (await call(text, "k1")).status_code == status
    assert await count() == 0
    assert (await call("hello", "k1")).status_code == 201


async def test_a_key_belongs_to_path_method_and_query(call: Call, count: Count):
    for path, method in (
        ("/v1/test/notes", "POST"),
        ("/v1/test/notes/x", "PUT"),
        ("/v1/test/notes/y", "PUT"),
        ("/v1/test/notes?loud=true", "POST"),
    ):
        answer = await call("hello", "k1", path=path, method=method)
        assert answer.status_code < 300
        assert "idempotency-replayed" not in answer.headers
    assert await count() == 4


async def test_a_key_belongs_to_a_caller(call: Call, api: httpx.AsyncClient, person: Person, count: Count):
    await call("hello", "k1")
    key = (await api.post("/v1/api-keys", json={"name": "x"}, headers=person.headers)).json()["key"]
    answer = await api.post(
        "/v1/test/notes", json={"text": "hello"}, headers={"x-api-key": key, "idempotency-key": "k1"}
    )
    assert answer.status_code == 201
    assert await count() == 2


async def test_a_key_belongs_to_a_workspace(call: Call, api: httpx.AsyncClient, person: Person):
    elsewhere = (await api.post("/v1/workspaces", json={"name": "Other"}, headers=person.headers)).json()["id"]
    await call("hello", "k1")
    answer = await call("hello", "k1", x_workspace_id=elsewhere)
    assert answer.status_code == 201
    assert "idempotency-replayed" not in answer.headers


async def test_a_key_belongs_to_a_person(call: Call, api: httpx.AsyncClient, new_person: NewPerson):
    await call("hello", "k1")
    other = await new_person()
    answer = await api.post(
        "/v1/test/notes", json={"text": "hello"}, headers={**other.headers, "idempotency-key": "k1"}
    )
    assert answer.status_code == 201


async def test_a_call_that_goes_on_in_a_new_workspace_is_repeatable(api: httpx.AsyncClient, person: Person):
    headers = {**person.headers, "idempotency-key": "k1"}
    first = await api.post("/v1/workspaces", json={"name": "Twice"}, headers=headers)
    again = await api.post("/v1/workspaces", json={"name": "Twice"}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\tin it", "é"])
async def test_odd_keys_are_refused(call: Call, count: Count, key: str):
    answer = await call("hello", key.encode("latin-1"))
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency.bad_key")
    assert answer.json()["details"][0]["field"] == "Idempotency-Key"
    assert await count() == 0


async def test_a_key_is_for_a_day(call: Call, database: Database, count: Count):
    first = await call("hello", "k1")
    async with database.begin_system("let a day pass") as tx:
        await tx.execute("UPDATE idempotency_keys SET created_at = created_at - interval '25 hours'")
    other = await call("goodbye", "k1")
    assert other.status_code == 201
    assert other.json()["id"] != first.json()["id"]
    again = await call("goodbye", "k1")
    assert again.content == other.content
    async with database.begin_system("tidy") as tx:
        await tx.execute("UPDATE idempotency_keys SET created_at = created_at - interval '25 hours' WHERE key = 'k1'")
        assert await idempotency.delete_old_answers(tx) > 0


async def test_the_kept_answer_is_encrypted(call: Call, database: Database, person: Person):
    answer = await call("a rather secret text", "k1")
    async with database.begin_system("look") as tx:
        kept = await tx.one(
            idempotency._Kept,
            "SELECT body_mac, status, answer FROM idempotency_keys WHERE workspace_id = %(id)s",
            id=person.workspace_id,
        )
    assert kept.status == 201
    for secret in (b"secret text", answer.json()["id"].encode()):
        assert secret not in kept.answer
        assert secret not in kept.body_mac


async def test_sign_in_takes_no_notice_of_keys(api: httpx.AsyncClient, person: Person):
    body = {"email": person.email, "password": "correct horse battery"}
    first, second = [await api.post("/v1/auth/login", json=body, headers={"idempotency-key": "k1"}) for _ in range(2)]
    assert first.json()["refresh_token"] != second.json()["refresh_token"]


@pytest.fixture
async def with_doom(databases: Databases) -> AsyncIterator[Database]:
    async with databases.fresh(size=3) as database:
        await doomed.add_table(databases, database)
        yield database


async def register(api: httpx.AsyncClient) -> dict[str, str]:
    body = {"email": "ada@example.com", "password": "correct horse battery", "first_name": "A", "last_name": "L"}
    tokens = (await api.post("/v1/auth/register", json=body)).json()
    return {"authorization": f"Bearer {tokens['access_token']}"}


async def test_a_failing_commit_is_an_error_and_not_the_success_that_was_prepared(
    make_client: MakeClient, with_doom: Database, capsys: pytest.CaptureFixture[str]
):
    api = await make_client(more_routes=ROUTES, database=with_doom)
    headers = {**await register(api), "idempotency-key": "k1"}
    for _ in range(2):
        answer = await api.post("/v1/test/doomed", headers=headers)
        assert answer.status_code == 500
        assert answer.json()["code"] == "internal"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert "success" not in answer.text
        assert "not at the end" not in answer.text
    assert "not at the end" in capsys.readouterr().out
    async with with_doom.begin_system("look") as tx:
        assert await tx.value(int, "SELECT count(*) FROM idempotency_keys") == 0


async def test_an_answer_is_sent_only_after_the_commit(
    make_app: Callable[..., Any], database: Database, person: Person
):
    """Whoever hears the answer finds what it says: looked at from another connection, at the first byte."""
    app = make_app(more_routes=ROUTES)
    seen: list[int] = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/test/looks",
        "raw_path": b"/v1/test/looks",
        "query_string": b"",
        "headers": [(b"authorization", person.headers["authorization"].encode()), (b"host", b"x")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
        "http_version": "1.1",
        "asgi": {"version": "3.0"},
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            async with database.begin(person.actor()) as tx:
                query = "SELECT count(*) FROM events WHERE type = 'test.looked'"
                seen.append(await tx.value(int, query) or 0)

    await app(scope, receive, send)
    assert seen == [1]
