"""Mailboxes handed to the twins of two platforms and into a file, by whole processes, one of them killed."""

import asyncio
import csv
import imaplib
import io
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.installation import Customer, customer, installation
from tests.journeys.test_thread import authority

pytestmark = pytest.mark.timeout(180)
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "export-mailboxes.md"


async def export(me: Customer, destination: str, **more: Any) -> Any:
    begun = await me.call("POST", "/v1/exports", {"destination": destination, "filter": {"all": True}, **more})
    return await me.until(
        f"/v1/exports/{begun['id']}", "completed", "completed_with_errors", "failed", "cancelled", seconds=60
    )


@pytest.mark.parametrize(
    ("platform_type", "login"),
    [
        ("instantly", {"platform_email": "support@litemail.ai", "platform_pass": "Lite@Mail2024!"}),
        ("smartlead", {"api_key": "a-key-of-smartlead"}),
    ],
)
async def test_mailboxes_of_ours_work_at_the_platforms_that_they_are_exported_to(
    tmp_path: Path, platform_type: str, login: dict[str, str]
):
    with installation(tmp_path) as house:
        house.start("serve")
        async with customer(house.url) as me:
            await me.active_domain("acme.test")
            boxes = [await me.mailbox("acme.test", name) for name in ("ada", "bob")]
            account = await me.call("POST", "/v1/exports/accounts", {"platform_type": platform_type, **login})
            assert account["status"] == "verified"
            done = await export(me, platform_type, platform_account_id=account["id"], options={"daily_limit": 20})
            items = await me.call("GET", f"/v1/exports/{done['id']}/items")
            assert (done["status"], done["succeeded"]) == ("completed", 2), items
            held = (await me.call("GET", f"/v1/sandbox/platforms/{platform_type}"))["accounts"]
            assert {(each["email"], each["signed_in"]) for each in held} == {(box["email"], True) for box in boxes}
            (known,) = (await me.call("GET", f"/v1/mailboxes/{boxes[0]['id']}/app-passwords"))["data"]
            assert known["platform_account_id"] == account["id"]
            assert known["last_used_at"]
            again = await export(me, platform_type, platform_account_id=account["id"])
            assert (again["status"], again["succeeded"]) == ("completed", 2)
            assert len((await me.call("GET", f"/v1/sandbox/platforms/{platform_type}"))["accounts"]) == 2
            await me.call("PUT", "/v1/exports/auto", {"platform_account_id": account["id"], "filter": {"all": True}})
            late = await me.mailbox("acme.test", "late")
            (automatic, *_) = await _automatic(me)
            await me.until(f"/v1/exports/{automatic['id']}", "completed")
            held = (await me.call("GET", f"/v1/sandbox/platforms/{platform_type}"))["accounts"]
            assert late["email"] in {each["email"] for each in held}
            wrong = await me.client.post(
                "/v1/exports/accounts", json={"platform_type": platform_type, "api_key": "wrong-password"}
            )
            assert (wrong.status_code, wrong.json()["code"]) == (422, "platform.bad_credentials")


async def _automatic(me: Customer) -> list[Any]:
    while True:
        found = [each for each in (await me.call("GET", "/v1/exports"))["data"] if each["automatic"]]
        if found:
            return found


async def test_the_commands_of_the_how_to_run_as_they_stand(tmp_path: Path):
    """But for its first line, which names a server and a key."""
    first, *rest = re.findall(r"^```sh\n(.*?)^```$", HOW_TO.read_text(), flags=re.MULTILINE | re.DOTALL)
    helpers = first.partition("\n")[2]
    with installation(tmp_path / "house") as house:
        house.start("serve")
        async with customer(house.url) as me:
            await me.active_domain("acme.test")
            box = await me.mailbox("acme.test", "ada", tags=["spring"])
            names = f"API={house.url} KEY={me.client.headers['x-api-key']}"
            done = await asyncio.to_thread(
                subprocess.run,
                ["bash", "-euo", "pipefail", "-c", "\n".join([names, helpers, *rest])],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert box["email"] in (tmp_path / "mailboxes.csv").read_text()


async def test_an_export_outlives_the_worker_that_began_it(tmp_path: Path):
    with installation(tmp_path) as house:
        for part in ("dns", "mail", "sandbox", "api"):
            house.start(part)
        worker = house.start("worker")
        async with customer(house.url) as me:
            await me.active_domain("acme.test")
            made = await me.call(
                "POST",
                "/v1/mailboxes",
                {
                    "mailboxes": [
                        {"domain": "acme.test", "username": f"box{n}", "first_name": "A", "last_name": "B"}
                        for n in range(60)
                    ]
                },
            )
            assert made["accepted"] == 60
            await me.call("POST", "/v1/sandbox/platforms/instantly", {"latency_ms": 300})
            account = await me.call("POST", "/v1/exports/accounts", {"platform_type": "instantly", "api_key": "k1"})
            begun = await me.call(
                "POST",
                "/v1/exports",
                {"destination": "instantly", "platform_account_id": account["id"], "filter": {"all": True}},
            )
            path = f"/v1/exports/{begun['id']}"
            while (await me.call("GET", path))["succeeded"] == 0:
                pass
            house.kill(worker)
            assert (await me.call("GET", path))["status"] == "running"
            house.start("worker")
            done = await me.until(path, "completed", "completed_with_errors", "failed", seconds=90)
            assert (done["status"], done["succeeded"]) == ("completed", 60)
            held = (await me.call("GET", "/v1/sandbox/platforms/instantly"))["accounts"]
            assert len(held) == len({each["email"] for each in held}) == 60

            file = await export(me, "csv")
            text = (await me.client.get(f"/v1/exports/{file['id']}/file")).text
            rows = list(csv.DictReader(io.StringIO(text, newline="")))
            assert len(rows) == 60
            row = rows[-1]
            with imaplib.IMAP4_SSL(
                row["imap_host"], int(row["imap_port"]), ssl_context=authority(house), timeout=20
            ) as imap:
                imap.login(row["imap_username"], row["imap_password"])
