"""Whatever is sent to whichever route, it is never our fault: no answer of 500 or more, always the contract's body."""

import copy
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.conftest import Person

QUIET = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,  # a new finding should come with a change, not with the weather
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

NASTY_TEXTS = (
    "", " ", "x", "X" * 300, "\u0000", "\u202e", "é", "ß.test", "💥", "a\nb", "a\tb", "%", "%00", "_", "..", "../..",
    "'", '"', "\\", "$1", "{}", "{0}", "{email}", "%s", "null", "-1", "1e400", "a@b", "a@b.test", "@", "a@",
    "A@EXAMPLE.TEST", "com", "co.uk", "example.test", "xn--", "xn--a", "xn--zckzah.test", "a..b", ".", "-a.test",
    "*.test", "127.0.0.1", "::1", "localhost", "2026-02-30T00:00:00Z", "2026-01-01", "ws_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "ws_", "dom_x", "dom_01k5m3v8w0e3t9f7a2b4c6d8ee", "mbx_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "con_01k5m3v8w0e3t9f7a2b4c6d8ee", "key_01k5m3v8w0e3t9f7a2b4c6d8ee", "rec_01k5m3v8w0e3t9f7a2b4c6d8ee", "instantly",
    "gmail", "custom", "hosted", "*",
)  # fmt: skip
TEXTS = st.one_of(st.sampled_from(NASTY_TEXTS), st.text(max_size=20))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1, 5, 200, 201, 65536, 2**31, 2**63, 2**64, 10**30, -(10**30)]),
    st.sampled_from([0.0, -0.0, 5.0, 1.5, 1e308, -1e308, 1e-320]),
    TEXTS,
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=8
)

Path = tuple[str | int, ...]
Step = str | int


def places(tree: Any, path: Path = ()) -> list[Path]:
    """Where something stands in a JSON value, itself included."""
    found = [path]
    if isinstance(tree, dict):
        for name, item in tree.items():
            found += places(item, (*path, name))
    elif isinstance(tree, list):
        for index, item in enumerate(tree):
            found += places(item, (*path, index))
    return found


@st.composite
def bodies(draw: st.DrawFn, example: Any) -> bytes:
    """A true example with a few things wrong, or nothing like it."""
    how = draw(st.integers(0, 9))
    if how == 0:
        return draw(st.binary(max_size=40))
    if how == 1 or example is None:
        return json.dumps(draw(VALUES)).encode()
    tree = copy.deepcopy(example)
    for _ in range(draw(st.integers(0, 2))):
        tree = changed(tree, draw(st.sampled_from(places(tree))), draw(st.integers(0, 3)), draw(VALUES), draw(TEXTS))
    return json.dumps(tree).encode()


def changed(tree: Any, path: Path, how: int, value: Any, name: str) -> Any:
    if not path:
        return {**tree, name: value} if isinstance(tree, dict) and how else value
    parent = tree
    for step in path[:-1]:
        parent = parent[step]
    if how == 0:
        del parent[path[-1]]
    elif how == 1 and isinstance(parent[path[-1]], list):
        parent[path[-1]] = parent[path[-1]] * 2 + [value]
    else:
        parent[path[-1]] = value
    return tree


class Route(msgspec.Struct, frozen=True):
    method: str
    path: str
    queries: Sequence[str]
    example: Any


@pytest.fixture(scope="module")
async def routes(client: httpx.AsyncClient) -> list[Route]:
    document = (await client.get("/openapi.json")).json()
    found = []
    for path, item in document["paths"].items():
        for method, about in item.items():
            content = about.get("requestBody", {}).get("content", {})
            examples = [each["value"] for body in content.values() for each in body.get("examples", {}).values()]
            queries = [each["name"] for each in about.get("parameters", []) if each["in"] == "query"]
            found.append(Route(method.upper(), path, queries, examples[0] if examples else None))
    return found


@pytest.fixture(scope="module")
async def fuzzer(new_person: Any) -> Person:
    person: Person = await new_person()
    return person


@pytest.fixture(scope="module")
async def known_ids(client: httpx.AsyncClient, fuzzer: Person) -> list[str]:
    """Things that exist, so that the routes behind them are reached too."""
    body = {"domains": ["fuzzed.test"]}
    made = await client.post("/v1/domains/connect", json=body, headers=fuzzer.headers)
    key = await client.post("/v1/api-keys", json={"name": "x"}, headers=fuzzer.headers)
    return [fuzzer.workspace_id, "fuzzed.test", made.json()["results"][0]["id"], key.json()["id"]]


@QUIET
@given(data=st.data())
async def test_nothing_that_is_sent_is_our_fault(
    client: httpx.AsyncClient, routes: list[Route], fuzzer: Person, known_ids: list[str], data: st.DataObject
):
    route = data.draw(st.sampled_from(routes))
    texts = st.one_of(st.sampled_from(known_ids), TEXTS)
    path = "/".join(
        quote(data.draw(texts), safe="") or "-" if part.startswith("{") else part for part in route.path.split("/")
    )
    names = st.sampled_from([*route.queries, "limit", "cursor", "count"])
    query = urlencode(data.draw(st.lists(st.tuples(names, texts), max_size=3)))
    body = data.draw(bodies(route.example)) if route.example is not None or data.draw(st.booleans()) else b""
    headers = {**fuzzer.headers, "content-type": "application/json"}
    if data.draw(st.integers(0, 4)) == 0:
        headers["idempotency-key"] = data.draw(st.sampled_from(["a", "b", "c"]))
    answer = await client.request(route.method, path, params=query, content=body, headers=headers)
    assert answer.status_code < 500, f"{route.method} {path} {query} {body!r}: {answer.text}"
    if answer.status_code >= 400:
        told = answer.json()
        assert told["code"], answer.text
        assert told["request_id"] == answer.headers["x-request-id"]
        assert answer.status_code != 422 or told["details"], answer.text
    elif answer.content:
        assert answer.headers["content-type"].partition(";")[0] in {
            "application/json",
            "text/plain",
            "text/event-stream",
        }


@settings(QUIET, max_examples=60)
@given(
    cursor=st.one_of(
        st.text(max_size=30), st.binary(max_size=20).map(lambda raw: httpx.QueryParams({"c": raw.hex()})["c"])
    )
)
async def test_cursors_that_nobody_made_are_no_crash(client: httpx.AsyncClient, fuzzer: Person, cursor: str):
    for path in ("/v1/workspaces", "/v1/api-keys", "/v1/domains", "/v1/mailboxes", "/v1/connect-inbox"):
        answer = await client.get(path, params={"cursor": cursor}, headers=fuzzer.headers)
        assert answer.status_code in {200, 422}, f"{path} {cursor!r}: {answer.text}"
        assert answer.status_code == 200 or answer.json()["code"] in {"request.bad_cursor", "request.bad_target"}
