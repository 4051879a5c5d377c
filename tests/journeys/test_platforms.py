"""Each platform that a sandbox has a twin of, from the request to the connected inbox, in processes of their own."""

from pathlib import Path
from typing import Any

import pytest

from tests.journeys.installation import Customer, customer, installation

pytestmark = pytest.mark.timeout(180)

BY_LOGIN = {"platform_email": "support@litemail.ai", "platform_pass": "Lite@Mail2024!"}
WAYS: list[tuple[str, dict[str, Any]]] = [
    ("smartlead", BY_LOGIN),
    ("smartlead", {"platform_api_key": "another-key"}),
    ("emailbison", {"platform_api_key": "12|token", "platform_url": "https://dedi.emailbison.com"}),
]
ENDED = ("completed", "completed_with_errors", "failed")


async def test_inboxes_are_connected_to_each_platform(tmp_path: Path) -> None:
    with installation(tmp_path) as house:
        house.start("serve")
        async with customer(house.url) as me:
            for number, (platform_type, credentials) in enumerate(WAYS):
                await _connects(me, platform_type, credentials, number)
            await _tells_what_is_wrong(me)


async def _connects(me: Customer, platform_type: str, credentials: dict[str, Any], number: int) -> None:
    good, bad = f"good{number}@getbrandmerge.com", f"bad{number}@getbrandmerge.com"
    order = {
        "platform_type": platform_type,
        **credentials,
        "inbox_type": "gmail",
        "inboxes": [
            {"email": good, "pass": "Caroline@Thompson2025", "first_name": "Caroline"},
            {"email": bad, "pass": "wrong-password"},
        ],
        "options": {"verify": False, "warmup": True, "tags": ["Agency"], "daily_limit": 30},
    }
    connection = await me.call("POST", "/v1/connect-inbox", order, expect=200)
    path = f"/v1/connect-inbox/{connection['id']}"
    done = await me.until(path, *ENDED)
    inboxes = (await me.call("GET", f"{path}/inboxes"))["data"]
    assert [(one["email"], one["status"]) for one in inboxes] == [(good, "connected"), (bad, "failed")], inboxes
    assert (done["status"], inboxes[1]["error"]["code"]) == ("completed_with_errors", "inbox.bad_credentials")
    twin = await me.call("GET", f"/v1/sandbox/platforms/{platform_type}")
    assert good in {account["email"] for account in twin["accounts"]}
    assert bad not in {account["email"] for account in twin["accounts"]}
    again = await me.call("POST", "/v1/connect-inbox", {**order, "inboxes": order["inboxes"][:1]}, expect=200)
    await me.until(f"/v1/connect-inbox/{again['id']}", "completed")
    [repeated] = (await me.call("GET", f"/v1/connect-inbox/{again['id']}/inboxes"))["data"]
    assert (repeated["status"], repeated["already"]) == ("connected", True)


async def _tells_what_is_wrong(me: Customer) -> None:
    """A key that is refused, and a password where none is taken."""
    inboxes = [{"email": "caroline@getbrandmerge.com", "pass": "x"}]
    for platform_type in sorted({platform_type for platform_type, _ in WAYS}):
        order = {"platform_type": platform_type, "inbox_type": "gmail", "inboxes": inboxes}
        refused = await me.call("POST", "/v1/connect-inbox", {**order, "platform_api_key": "wrong-password"})
        done = await me.until(f"/v1/connect-inbox/{refused['id']}", *ENDED)
        [inbox] = (await me.call("GET", f"/v1/connect-inbox/{refused['id']}/inboxes"))["data"]
        assert (done["status"], inbox["error"]["code"]) == ("failed", "platform.bad_credentials")
    answer = await me.call(
        "POST",
        "/v1/connect-inbox",
        {"platform_type": "emailbison", **BY_LOGIN, "inbox_type": "gmail", "inboxes": inboxes},
        expect=422,
    )
    assert answer["code"] == "platform.login_not_offered"
    assert "Developer API" in str(answer)
