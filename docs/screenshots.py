"""Makes the pictures of the README from a running server: `python docs/screenshots.py`."""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # this checkout's program, whichever one is installed

from playwright.async_api import Browser, async_playwright  # noqa: E402 - after the path

from tests.journeys.installation import customer, installation  # noqa: E402

FOLDER = ROOT / "docs" / "images"
_SIZE = {"width": 1280, "height": 860}


async def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="litemail-pictures-") as folder, installation(Path(folder)) as house:
        await asyncio.to_thread(house.start, "serve")
        async with customer(house.url) as ada, async_playwright() as playwright:
            chromium = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            await take(chromium, house.url, ada.client.headers["x-api-key"])
            await chromium.close()


async def take(browser: Browser, url: str, key: str) -> None:
    """A call that was just tried, in the light and in the dark."""
    for scheme in ("light", "dark"):
        context = await browser.new_context(viewport=_SIZE, color_scheme=scheme)  # type: ignore[arg-type]  # a size
        page = await context.new_page()
        await page.goto(f"{url}/docs/operations/connect-inboxes")
        await page.locator("label", has_text="Python").click()
        await page.get_by_label("API key").fill(key)
        await page.get_by_role("button", name="Send POST").click()
        await page.locator(".outcome", has_text="200").wait_for()
        await page.evaluate("document.querySelector('.shown').scrollTop = 0")
        await page.screenshot(path=FOLDER / f"reference-{scheme}.png")
        await context.close()


if __name__ == "__main__":
    asyncio.run(main())
