"""Whatever goes wrong, the contract's body says what."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated

import httpx
import pytest
import structlog
from litestar import delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from pydantic import Field

from litemail.kit.actor import PUBLIC, requires
from litemail.kit.db import Database, DatabaseUnavailable, Tx
from litemail.kit.errors import Detail, Error, Kind
from litemail.kit.wire import Given, RequestModel, operation
from litemail.web.errors import STATUS
from tests.conftest import NewPerson, Person
from tests.web.conftest import MakeClient

SECRET = "correct-horse-and-secret"


class Part(RequestModel):
    size: Annotated[int, Field(ge=1, le=10)]
    label: Annotated[str, Field(max_length=5)] = "x"


class Thing(RequestModel):
    name: str
    amount: int
    ratio: float = 1.0
    on: bool = False
    parts: Annotated[list[Part], Field(max_length=1000, default_factory=list)]


class Gone(Error):
    kind = Kind.GONE
    code = "test.gone"
    message = "{what} is gone."
    action = "Take another {thing}."


_WRITES = operation("x", group="Test", scope=requires("domains:write"))


@post("/test/things", **_WRITES)
async def make(data: JSONBody[Thing], tx: Given[Tx]) -> dict[str, int]:
    return {"amount": data.amount, "parts": len(data.parts)}


@delete("/test/things", status_code=200, **_WRITES)
async def remove(data: JSONBody[Thing], tx: Given[Tx]) -> dict[str, int]:
    return {"amount": data.amount}


@post("/test/crash", **_WRITES)
async def crash(tx: Given[Tx]) -> None:
    password = SECRET
    raise RuntimeError(f"about to use {len(password)} characters")


@get("/test/kinds/{kind:str}", **operation("x", group="Test", scope=requires(PUBLIC)))
async def fail(kind: FromPath[str], field: FromQuery[str | None] = None) -> None:
    class Failure(Error):
        code = "test.failure"
        message = "It failed."
        action = "Do something else."

    Failure.kind = Kind(kind)
    if kind == "gone":
        raise Gone(what="It", thing="one", field=field, stage="verifying", retry_after=7.4, extra={"shortfall": 5})
    raise Failure(details=(Detail("a", "one"), Detail("b", "two")))


@get("/test/database", **operation("x", group="Test", scope=requires(PUBLIC)))
async def database_gone(database: Given[Database]) -> None:
    raise DatabaseUnavailable(reason="password authentication failed for litemail_system at 10.0.0.7")


@pytest.fixture
async def api(make_client: MakeClient) -> httpx.AsyncClient:
    return await make_client(more_routes=[make, remove, crash, fail, database_gone])


Send = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def send(api: httpx.AsyncClient, person: Person) -> Send:
    async def send_body(content: bytes | str, *, method: str = "POST", **headers: str) -> httpx.Response:
        given = {"content-type": "application/json", **person.headers} | headers
        return await api.request(method, "/v1/test/things", content=content, headers=given)

    return send_body


def check_shape(answer: httpx.Response, *, path: str) -> dict[str, object]:
    body: dict[str, object] = answer.json()
    assert set(body) - {"action", "stage", "shortfall"} == {
        "error", "message", "path", "timestamp", "code", "details", "request_id", "retryable", "docs_url",
    }  # fmt: skip
    assert body["error"] == answer.reason_phrase
    assert body["path"] == path
    assert body["request_id"] == answer.headers["x-request-id"]
    timestamp = str(body["timestamp"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", timestamp)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(timestamp)).total_seconds()) < 60
    assert answer.headers["content-type"] == "application/json"
    return body


@pytest.mark.parametrize("path", ["/", "/nope", "/v1", "/v1/nope", "/v1/domains/a/b/c/d", "/v1//"])
async def test_an_unknown_path(api: httpx.AsyncClient, path: str):
    answer = await api.get(path)
    assert answer.status_code == 404
    assert check_shape(answer, path=path)["code"] == "request.unknown_path"


async def test_an_unknown_method_lists_what_the_path_takes(api: httpx.AsyncClient, person: Person):
    for method in ("PATCH", "DELETE", "POST", "BREW"):
        answer = await api.request(method, "/v1/test/database", headers=person.headers)
        assert answer.status_code == 405
        assert check_shape(answer, path="/v1/test/database")["code"] == "request.method_not_allowed"
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_options_tells_the_methods_to_anybody(api: httpx.AsyncClient):
    answer = await api.options("/v1/workspaces")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert (await api.options("/v1/nope")).status_code == 404


@pytest.mark.parametrize("path", ["/v1/workspaces", "/v1/nope", "/healthz", "/metrics", "/openapi.json"])
async def test_head_is_get_without_the_body(api: httpx.AsyncClient, person: Person, path: str):
    full = await api.get(path, headers=person.headers)
    head = await api.head(path, headers=person.headers)
    assert (head.status_code, head.content) == (full.status_code, b"")
    assert head.headers["content-type"] == full.headers["content-type"]
    assert head.headers["x-request-id"]


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"nonsense", b"{'name': 1}", b'{"name": "x",}', b'"\xff"', b'{"name": "\xed\xa0\x80"}',
        b'{"name": "\\ud800"}', b"\xef\xbb\xbf{}", b'{"amount": NaN}', b'{"amount": 1e999}', b'{"name": "a\x00b"}',
        b'{"parts": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", b"[" * 5000, b'{"a":' * 2000 + b"1" + b"}" * 2000,
    ],
)  # fmt: skip
async def test_what_is_not_json(send: Send, body: bytes):
    answer = await send(body)
    assert answer.status_code == 400
    assert check_shape(answer, path="/v1/test/things")["code"] == "request.malformed_json"


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"x"', b"1", b'[{"name": "x"}]'])
async def test_what_is_no_object(send: Send, body: bytes):
    answer = await send(body)
    assert answer.status_code == 422
    details = check_shape(answer, path="/v1/test/things")["details"]
    assert details == [{"field": "", "message": "a JSON object is needed as body"}]


async def test_no_content_type_and_no_body(api: httpx.AsyncClient, person: Person):
    answer = await api.post("/v1/test/things", headers=person.headers)
    assert answer.status_code == 422
    check_shape(answer, path="/v1/test/things")


async def test_all_wrong_fields_are_told_at_once_by_their_paths(send: Send):
    wrong = {
        "amount": "500",
        "ratio": "x",
        "on": 1,
        "surprise": True,
        "parts": [{"size": 1}, {"size": 11, "label": "toolong", "extra": 1}, 7, {}],
    }
    answer = await send(json.dumps(wrong))
    assert answer.status_code == 422
    body = check_shape(answer, path="/v1/test/things")
    assert body["code"] == "request.invalid"
    assert isinstance(body["details"], list)
    assert {detail["field"] for detail in body["details"]} == {
        "name", "amount", "ratio", "on", "surprise", "parts[1].size", "parts[1].label", "parts[1].extra", "parts[2]",
        "parts[3].size",
    }  # fmt: skip
    assert all(detail["message"] for detail in body["details"])


@pytest.mark.parametrize("amount", ['"500"', "5.0", "true", "null", "[]", "{}", '"5e2"', "5.5"])
async def test_a_number_is_a_number(send: Send, amount: str):
    answer = await send(f'{{"name": "x", "amount": {amount}}}')
    assert answer.status_code == 422
    assert [detail["field"] for detail in answer.json()["details"]] == ["amount"]


@pytest.mark.parametrize("text", ["5", "true", "null", "[]", "{}"])
async def test_a_text_is_a_text(send: Send, text: str):
    answer = await send(f'{{"name": {text}, "amount": 1}}')
    assert [detail["field"] for detail in answer.json()["details"]] == ["name"]


async def test_a_right_body_gets_through_a_delete_too(send: Send):
    body = '{"name": "x", "amount": 5, "ratio": 2, "parts": [{"size": 3}]}'
    assert (await send(body)).json() == {"amount": 5, "parts": 1}
    answer = await send(body, method="DELETE", **{"content-type": "application/json; charset=utf-8"})
    assert answer.json() == {"amount": 5}


@pytest.mark.parametrize("given", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""])
async def test_another_media_type(send: Send, given: str):
    answer = await send(b'{"name": "x", "amount": 1}', **{"content-type": given})
    assert answer.status_code == 415
    body = check_shape(answer, path="/v1/test/things")
    assert "application/json" in str(body["message"])


async def test_a_body_that_is_too_large(send: Send):
    large = b'{"name": "' + b"x" * (5 * 1024 * 1024) + b'"}'
    assert (await send(large)).status_code == 413

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 100_000):
            yield large[start : start + 100_000]

    answer = await send(chunks())
    assert answer.status_code == 413
    assert check_shape(answer, path="/v1/test/things")["code"] == "request.too_large"


async def test_u0000_is_named_wherever_it_is(send: Send, api: httpx.AsyncClient, person: Person):
    answer = await send(r'{"name": "a\u0000b", "amount": 1, "parts": [{"size": 1, "label": "\u0000"}], "\u0000": 1}')
    assert answer.status_code == 422
    assert [detail["field"] for detail in answer.json()["details"]] == [
        "(a field's name)",
        "name",
        "parts[0].label",
    ]
    assert (await send(r'{"name": "a\\u0000b", "amount": 1}')).status_code == 201  # a backslash and some letters
    in_query = await api.get("/v1/workspaces?cursor=%00", headers=person.headers)
    assert (in_query.status_code, in_query.json()["code"]) == (422, "request.bad_target")
    for path in ("/v1/workspaces/%00", "/v1/workspaces/ws_%00x?limit=1"):
        in_path = await api.get(path, headers=person.headers)
        assert (in_path.status_code, in_path.json()["code"]) == (404, "request.unknown_path")


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "limit=", "cursor=%F0", "count=maybe"])
async def test_wrong_query_parameters_are_named(api: httpx.AsyncClient, person: Person, query: str):
    answer = await api.get(f"/v1/workspaces?{query}", headers=person.headers)
    assert answer.status_code == 422
    body = check_shape(answer, path="/v1/workspaces")
    assert isinstance(body["details"], list)
    assert [detail["field"] for detail in body["details"]] == [query.partition("=")[0]]


async def test_a_crash_says_nothing_of_our_insides(api: httpx.AsyncClient, person: Person):
    with structlog.testing.capture_logs() as lines:
        answer = await api.post("/v1/test/crash", headers={**person.headers, "x-request-id": "req-7"})
    assert answer.status_code == 500
    body = check_shape(answer, path="/v1/test/crash")
    assert (body["code"], body["retryable"]) == ("internal", True)
    assert "characters" not in answer.text
    (failure,) = [line for line in lines if line["log_level"] == "error"]
    assert str(failure["exc_info"]) == "about to use 24 characters"
    assert SECRET not in str(lines)


async def test_what_the_driver_says_of_hosts_and_roles_stays_inside(api: httpx.AsyncClient):
    answer = await api.get("/v1/test/database")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert "10.0.0.7" not in answer.text
    check_shape(answer, path="/v1/test/database")


@pytest.mark.parametrize("kind", list(Kind))
async def test_every_kind_has_its_status(api: httpx.AsyncClient, kind: Kind):
    answer = await api.get(f"/v1/test/kinds/{kind}")
    assert answer.status_code == STATUS[kind]
    body = check_shape(answer, path=f"/v1/test/kinds/{kind}")
    if kind not in (Kind.GONE, Kind.BUG):
        assert body["details"] == [{"field": "a", "message": "one"}, {"field": "b", "message": "two"}]


async def test_an_error_shows_all_that_it_has(api: httpx.AsyncClient):
    answer = await api.get("/v1/test/kinds/gone?field=name")
    body = check_shape(answer, path="/v1/test/kinds/gone")
    assert body["message"] == "It is gone."
    assert body["action"] == "Take another one."
    assert body["details"] == [{"field": "name", "message": "It is gone."}]
    assert (body["stage"], body["shortfall"], answer.headers["retry-after"]) == ("verifying", 5, "7")


async def test_a_401_names_its_scheme(api: httpx.AsyncClient):
    assert (await api.get("/v1/users")).headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("given", ["abc-1.2:3_X", "x" * 100])
async def test_a_request_id_is_taken_over(api: httpx.AsyncClient, given: str):
    for path in ("/v1/users", "/nope", "/healthz"):
        assert (await api.get(path, headers={"x-request-id": given})).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 101, "a b", 'a"b', "é", "a\tb"])
async def test_an_odd_request_id_is_replaced(api: httpx.AsyncClient, given: str):
    answer = await api.get("/v1/users", headers={b"x-request-id": given.encode("latin-1")})
    assert answer.headers["x-request-id"].startswith("req_")
    assert len(answer.headers.get_list("x-request-id")) == 1


async def test_checks_come_in_the_contracts_order(api: httpx.AsyncClient, person: Person, new_person: NewPerson):
    """401, workspace 404, 403, 400/413/415, 422: each request below has every later fault as well."""
    reader = await api.post("/v1/api-keys", json={"name": "Reads", "scopes": ["domains:read"]}, headers=person.headers)
    foreign = (await new_person()).workspace_id
    bad = b'{"name": '
    url = "/v1/test/things"

    async def status(content: bytes, *, media: str = "text/plain", **headers: str) -> int:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await api.post(url, content=content, headers={"content-type": media, **given})).status_code

    key = reader.json()["key"]
    assert await status(bad, x_workspace_id=foreign) == 401
    assert await status(bad, x_api_key=key, x_workspace_id=foreign) == 404
    assert await status(bad, x_api_key=key) == 403
    assert await status(bad, **person.headers) == 415
    assert await status(bad, media="application/json", **person.headers) == 400
    assert await status(b"{}", media="application/json", **person.headers) == 422


async def test_hosts_that_are_none_are_refused(api: httpx.AsyncClient):
    answer = await api.get("/v1/users", headers={"host": "a b"})
    assert answer.status_code == 400
    assert answer.json()["code"] == "request.malformed"
