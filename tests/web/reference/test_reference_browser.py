"""The reference in a browser: reading, searching, trying a call, at two widths, light and dark, and without scripts."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.journeys.installation import customer, installation

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]
WIDTHS = {"narrow": 360, "wide": 1440}
PAGES = ("/quickstart", "/errors", "/operations/connect-inboxes", "/search?q=wallet")


@dataclass
class Site:
    """A running server, and a key of somebody's sandbox."""

    url: str
    key: str


@dataclass
class Watched:
    """A page, and everything about it that should not have happened."""

    page: Page
    faults: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    with installation(tmp_path_factory.mktemp("browser")) as house:
        await asyncio.to_thread(house.start, "serve")
        async with customer(house.url) as ada:
            yield Site(house.url, ada.client.headers["x-api-key"])


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


async def watched(context: BrowserContext, site: Site) -> Watched:
    seen = Watched(await context.new_page())
    host = urlsplit(site.url).netloc

    def note_request(url: str) -> None:
        if urlsplit(url).netloc != host and not url.startswith(("data:", "about:")):
            seen.faults.append(f"request to {url}")

    seen.page.on("console", lambda said: seen.faults.append(said.text) if said.type == "error" else None)
    seen.page.on("pageerror", lambda error: seen.faults.append(str(error)))
    seen.page.on("request", lambda request: note_request(request.url))
    await seen.page.add_init_script(
        "addEventListener('securitypolicyviolation', e => console.error('policy: ' + e.violatedDirective))"
    )
    return seen


@pytest.fixture(params=[("narrow", "dark"), ("wide", "light")], ids="-".join)
async def seen(request: pytest.FixtureRequest, browser: Browser, site: Site) -> AsyncIterator[Watched]:
    width, scheme = request.param
    context = await browser.new_context(viewport={"width": WIDTHS[width], "height": 900}, color_scheme=scheme)
    yield await watched(context, site)
    await context.close()


async def test_pages_are_read_without_a_fault_or_a_serious_barrier(seen: Watched, site: Site):
    for path in PAGES:
        await seen.page.goto(f"{site.url}/docs{path}")
        for scheme in ("light", "dark"):
            await seen.page.emulate_media(color_scheme=scheme)
            assert await seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} is too wide"
            assert [f"{path}, {scheme}: {barrier}" for barrier in await barriers(seen.page)] == []
    assert seen.faults == []


async def barriers(page: Page) -> list[str]:
    """What axe-core finds serious or critical."""
    found = await Axe().run(page)
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:200]}"
        for each in found.response["violations"]
        if each["impact"] in ("serious", "critical")
    ]


async def test_a_call_is_tried_until_its_inbox_is_connected(seen: Watched, site: Site):
    page = seen.page
    await page.goto(f"{site.url}/docs/operations/connect-inboxes")
    await expect(page.locator(".mode")).to_have_text("Without a credential.")
    await page.get_by_label("API key").fill(site.key)
    await expect(page.locator(".mode")).to_contain_text("Sandbox")
    await page.get_by_role("button", name="Send POST").click()
    await expect(page.locator(".outcome")).to_contain_text("200")
    answer = await page.locator(".content").inner_text()
    connection_id = answer.partition('"id": "')[2].partition('"')[0]
    assert connection_id.startswith("con_")
    assert site.key not in page.url

    await page.goto(f"{site.url}/docs/operations/get-connection")
    await expect(page.get_by_label("API key")).to_have_value(site.key)  # the tab remembers it
    await page.get_by_label("connection_id").fill(connection_id)
    for _ in range(50):
        await page.get_by_role("button", name="Send GET").click()
        await expect(page.locator(".outcome")).to_contain_text("200")
        await expect(page.locator(".content")).to_contain_text(connection_id)
        if '"status": "completed"' in await page.locator(".content").inner_text():
            break
        await page.wait_for_timeout(200)
    await expect(page.locator(".content")).to_contain_text('"connected": 1')
    assert seen.faults == []


async def test_a_refusal_is_shown_with_its_headers(seen: Watched, site: Site):
    page = seen.page
    await page.goto(f"{site.url}/docs/operations/get-balance")
    await page.get_by_label("API key").fill("lm_live_wrong")
    await expect(page.locator(".mode.live")).to_contain_text("Live")
    await page.get_by_role("button", name="Send GET").click()
    await expect(page.locator(".outcome")).to_contain_text("401")
    await expect(page.locator(".content")).to_contain_text("auth.")
    assert "x-request-id" in (await page.locator(".headers").text_content() or "")
    assert [fault for fault in seen.faults if "401" not in fault] == []  # the browser notes each 401


async def test_search_is_driven_by_the_keyboard(seen: Watched, site: Site):
    page = seen.page
    await page.goto(f"{site.url}/docs/quickstart")
    await page.keyboard.press("/")
    await page.keyboard.type("connect inbox")
    await expect(page.locator("#found a").first).to_contain_text("Connect inboxes to a sending platform")
    await page.keyboard.press("ArrowDown")
    await expect(page.locator("#found a[aria-selected=true]")).to_have_count(1)
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/docs/operations/connect-inboxes")
    assert seen.faults == []


async def test_the_language_is_remembered_and_samples_are_copied(browser: Browser, site: Site):
    context = await browser.new_context()
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    seen = await watched(context, site)
    await seen.page.goto(f"{site.url}/docs/operations/get-user")
    await seen.page.locator("label", has_text="Ruby").click()
    await seen.page.goto(f"{site.url}/docs/operations/list-mailboxes")
    shown = seen.page.locator(".sample[data-language=ruby]")
    await expect(shown).to_be_visible()
    await shown.get_by_role("button", name="Copy").click()
    await expect(shown.get_by_role("button")).to_have_text("Copied")
    assert "Net::HTTP::Get" in await seen.page.evaluate("navigator.clipboard.readText()")
    assert seen.faults == []
    await context.close()


@pytest.mark.parametrize("fragment", ["#%", "#nothing", "#%E0%A4%A", "#answer-200-data-created_at"])
async def test_whatever_the_fragment_says_the_page_works(browser: Browser, site: Site, fragment: str):
    context = await browser.new_context()
    seen = await watched(context, site)
    await seen.page.goto(f"{site.url}/docs/operations/list-mailboxes{fragment}")
    await expect(seen.page.locator(".try")).to_be_visible()
    if fragment.startswith("#answer"):
        await expect(seen.page.locator(fragment)).to_be_in_viewport()
    assert seen.faults == []
    await context.close()


async def test_a_call_of_people_is_tried_with_their_token(browser: Browser, site: Site):
    body = {"email": "eve@example.com", "password": "correct horse battery", "first_name": "Eve", "last_name": "Ames"}
    async with httpx.AsyncClient(trust_env=False) as client:
        token = (await client.post(f"{site.url}/v1/auth/register", json=body)).json()["access_token"]
    context = await browser.new_context()
    seen = await watched(context, site)
    await seen.page.goto(f"{site.url}/docs/operations/update-user")
    await seen.page.get_by_label("Access token").fill(token)
    await seen.page.get_by_role("button", name="Send PATCH").click()
    await expect(seen.page.locator(".outcome")).to_contain_text("200")
    await expect(seen.page.locator(".content")).to_contain_text('"first_name": "Ada"')
    assert seen.faults == []
    await context.close()


async def test_fields_can_be_linked_to(browser: Browser, site: Site):
    context = await browser.new_context()
    seen = await watched(context, site)
    await seen.page.goto(f"{site.url}/docs/operations/connect-inboxes#body-inboxes-email")
    await expect(seen.page.locator("#body-inboxes-email")).to_be_in_viewport()
    await context.close()


async def test_everything_can_be_read_without_scripts(browser: Browser, site: Site):
    context = await browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 900})
    page = await context.new_page()
    await page.goto(f"{site.url}/docs/operations/connect-inboxes")
    await expect(page.locator(".sample[data-language=shell]")).to_be_visible()
    await page.locator("label", has_text="Python").click()
    await expect(page.locator(".sample[data-language=python]")).to_be_visible()
    await expect(page.locator(".sample[data-language=shell]")).to_be_hidden()
    await expect(page.locator(".try")).to_be_hidden()
    await expect(page.get_by_role("link", name="Quickstart")).to_be_visible()
    await page.get_by_role("searchbox").fill("domain.taken")
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="domain.taken").first.click()
    await expect(page.get_by_role("heading", name="domain.taken")).to_be_visible()
    await context.close()
