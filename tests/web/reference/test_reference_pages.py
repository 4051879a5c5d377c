"""The reference as it is served: every page, what it links to, what it may load, and the same for machines."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
from litestar import Litestar

from litemail.events import TYPES
from litemail.web import openapi, reference, words
from litemail.web.reference.pages import BASE_HOST, Reference, sample_call

LARGEST = 100_000


class Reader(HTMLParser):
    """What a page links to, what can be linked to, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.headings: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag in ("script", "img", "iframe") and given.get("src"):
            self.loads.append(str(given["src"]))
        if tag == "link":
            self.loads.append(str(given["href"]))
        if tag in ("h1", "h2", "h3"):
            self.headings.append(tag)
        self.inline += [name for name in given if name.startswith("on") or name == "style"]


@pytest.fixture(scope="module")
async def contents(client: httpx.AsyncClient) -> Reference:
    return Reference(msgspec.json.decode((await client.get("/openapi.json")).content), "# Changelog\n")


@pytest.fixture(scope="module")
async def served(client: httpx.AsyncClient, contents: Reference) -> dict[str, str]:
    """Every page as HTML, by its path."""
    return {path: (await client.get(f"/docs/{path}")).text for path in contents.paths()}


def test_there_is_a_page_for_every_call_code_and_event(contents: Reference):
    paths = set(contents.paths())
    assert {f"operations/{each.slug}" for each in contents.operations()} <= paths
    assert {f"events/{name}" for name in TYPES} <= paths
    named = {code for each in contents.operations() for answer in each.answers for code in answer.codes}
    assert {f"errors/{code}" for code in named} <= paths
    assert len({each.slug for each in contents.operations()}) == len(list(contents.operations()))


def test_every_field_says_what_it_means(contents: Reference):
    silent = {
        f"{operation.id}: {field.path}"
        for operation in contents.operations()
        for field in (
            *operation.path_fields,
            *operation.query_fields,
            *operation.header_fields,
            *operation.body_fields,
            *(field for answer in operation.answers for field in answer.fields),
        )
        if not field.description
    }
    assert sorted(silent) == []


def test_pages_are_small_and_whole(served: dict[str, str]):
    for path, text in served.items():
        assert len(text.encode()) < LARGEST, path
        reader = Reader(text)
        assert reader.headings.count("h1") == 1, path
        assert len(reader.ids) == len(set(reader.ids)), path
        assert BASE_HOST not in text, path
        assert reader.inline == [], path


def test_pages_load_nothing_from_elsewhere(served: dict[str, str]):
    for path, text in served.items():
        for each in Reader(text).loads:
            assert not urlsplit(each).netloc, f"{path} loads {each}"


async def test_no_link_is_dead(client: httpx.AsyncClient, served: dict[str, str]):
    known = {f"/docs/{path}": set(Reader(text).ids) for path, text in served.items()}
    known["/docs"] = known["/docs/introduction"]
    others = {"/openapi.json", "/llms.txt", "/docs/postman.json"}
    outside = set()
    for path, text in served.items():
        for link in Reader(text).links:
            to = urlsplit(link)
            if to.netloc:
                outside.add(to.netloc)
                continue
            page = to.path or f"/docs/{path}"
            if page in others or page.endswith(".md"):
                continue
            assert page in known, f"{path} links to {link}"
            assert not to.fragment or to.fragment in known[page], f"{path} links to {link}"
    assert outside <= {"keepachangelog.com", "semver.org"}
    for each in others:
        assert (await client.get(each)).status_code == 200


async def test_what_a_page_may_do_is_said_in_its_headers(client: httpx.AsyncClient):
    for path in ("/docs", "/docs/quickstart", "/docs/static/docs.js", "/docs/search?q=x", "/llms.txt"):
        headers = (await client.get(path)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


async def test_samples_name_the_readers_own_address(client: httpx.AsyncClient):
    text = (await client.get("/docs/operations/get-user", headers={"host": "mail.example:8443"})).text
    assert "http://mail.example:8443/v1/users" in text
    bad = await client.get("/docs/operations/get-user", headers={"host": 'x"><script>'})
    assert "<script>" not in bad.text
    assert bad.status_code == 400 or "http://localhost/v1/users" in bad.text


@pytest.mark.parametrize("path", ["nope", "operations/nope", "static/../routes.py", "errors/%00", "%ff.md"])
async def test_other_pages_are_not_there(client: httpx.AsyncClient, path: str):
    answer = await client.get(f"/docs/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")


async def test_errors_name_the_page_of_their_code(client: httpx.AsyncClient):
    for path in ("/v1/users", "/v1/nope", "/docs/nope"):
        body = (await client.get(path)).json()
        assert body["docs_url"] == f"/docs/errors/{body['code']}"
        assert (await client.get(body["docs_url"])).status_code == 200


async def test_every_page_is_markdown_too(client: httpx.AsyncClient, contents: Reference):
    for path in contents.paths():
        answer = await client.get(f"/docs/{path}.md")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/markdown")
        assert answer.text.startswith("# ")
        assert BASE_HOST not in answer.text


async def test_llms_txt_lists_every_call(client: httpx.AsyncClient, contents: Reference):
    text = (await client.get("/llms.txt")).text
    listed = re.findall(r"\]\(http://litemail\.test(/docs/\S+\.md)\)", text)
    assert {f"/docs/operations/{each.slug}.md" for each in contents.operations()} <= set(listed)
    for each in listed:
        assert (await client.get(each)).status_code == 200


def test_samples_send_the_credential_that_the_call_takes(contents: Reference):
    headers: dict[str, set[str]] = {"none": set(), "key": {"x-api-key"}, "token": {"authorization"}}
    seen = set()
    for operation in contents.operations():
        sent = {name for name, _ in sample_call(operation).headers} - {"content-type"}
        assert sent == headers[operation.credential], operation.id
        seen.add(operation.credential)
    assert seen == set(headers)


async def test_the_search_page_links_to_nothing_that_is_not_there(client: httpx.AsyncClient):
    reader = Reader((await client.get("/docs/search?q=wallet")).text)
    for each in {urlsplit(link).path for link in [*reader.links, *reader.loads] if link.startswith("/")}:
        assert (await client.get(each)).status_code == 200, each


async def test_the_postman_collection_holds_every_call(client: httpx.AsyncClient, contents: Reference):
    collection = json.loads((await client.get("/docs/postman.json")).text)
    requests = [item["request"] for folder in collection["item"] for item in folder["item"]]
    assert len(requests) == len(list(contents.operations()))
    for request in requests:
        assert request["url"]["raw"].startswith("{{base}}/")
        if "body" in request:
            assert request["body"]["raw"]
            if request["body"]["options"]["raw"]["language"] == "json":
                assert json.loads(request["body"]["raw"])


@pytest.mark.parametrize(
    ("q", "first"),
    [
        ("connect inbox", "/docs/operations/connect-inboxes"),
        ("CONNECT-INBOX", "/docs/operations/connect-inboxes"),
        ("warmup connect", "/docs/operations/connect-inboxes#body-options-warmup"),
        ("domain.taken", "/docs/errors/domain.taken"),
        ("mailbox.activated", "/docs/events/mailbox.activated"),
        ("repeating requests", "/docs/idempotency"),
    ],
)
async def test_search_finds_first_what_is_meant(client: httpx.AsyncClient, q: str, first: str):
    found = (await client.get("/docs/search.json", params={"q": q})).json()["data"]
    assert found[0]["url"] == first


@pytest.mark.parametrize("q", ["", " ", "%", "zzzzqq", "<script>", "\x00", "a" * 10_000])
async def test_search_takes_anything(client: httpx.AsyncClient, q: str):
    assert (await client.get("/docs/search.json", params={"q": q})).status_code == 200
    page = await client.get("/docs/search", params={"q": q})
    assert page.status_code == 200
    assert "<script>" not in page.text


async def test_samples_name_the_public_address_where_there_is_one():
    app = Litestar([reference.router("https://mail.example/litemail")], openapi_config=openapi.CONFIG)
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]  # other stubs of ASGI
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        text = (await client.get("/docs/quickstart.md")).text
    assert "API=https://mail.example/litemail\n" in text


async def test_names_that_mean_several_things_have_several_meanings(client: httpx.AsyncClient):
    contract = (await client.get("/openapi.json")).json()["components"]["schemas"]
    for name, fields in words.known().schemas.items():
        for field, meaning in fields.items():
            assert contract[name]["properties"][field]["description"] == meaning, f"{name}.{field}"
