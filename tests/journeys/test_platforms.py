"""Each platform that a sandbox has a twin of, from the request to the connected inbox, in processes of their own."""

from pathlib import Path
from typing import Any

import pytest

from tests.journeys.installation import Customer, customer, installation

pytestmark = pytest.mark.timeout(180)

BY_LOGIN = {"platform_email": "support@litemail.ai", "platform_pass": "Lite@Mail2024!"}
BY_KEY = {"platform_api_key": "another-key"}
WAYS: list[tuple[str, dict[str, Any]]] = [
    ("smartlead", BY_LOGIN),
    ("smartlead", BY_KEY),
    ("emailbison", {"platform_api_key": "12|token", "platform_url": "https://dedi.emailbison.com"}),
    # It takes Gmail by Google's own sign-in only, and has neither tags nor limits.
    ("lemlist", {**BY_KEY, "inbox_type": "outlook", "options": {"verify": False, "warmup": True}}),
    ("salesforge", {**BY_KEY, "options": {"verify": False, "daily_limit": 30}}),
]
"""What differs from the rest."""
WHERE_KEYS_ARE = {
    "emailbison": "Developer API",
    "lemlist": "Settings → Integrations",
    "salesforge": "Settings → API",
}
ENDED = ("completed", "completed_with_errors", "failed")


async def test_inboxes_are_connected_to_each_platform(tmp_path: Path) -> None:
    with installation(tmp_path) as house:
        house.start("serve")
        async with customer(house.url) as me:
            for number, (platform_type, way) in enumerate(WAYS):
                await _connects(me, platform_type, way, number)
            await _refuses_gmail_at_lemlist(me)
            await _tells_what_is_wrong(me)


async def _connects(me: Customer, platform_type: str, way: dict[str, Any], number: int) -> None:
    good, bad = f"good{number}@getbrandmerge.com", f"bad{number}@getbrandmerge.com"
    order = {
        "platform_type": platform_type,
        "inbox_type": "gmail",
        "inboxes": [
            {"email": good, "pass": "Caroline@Thompson2025", "first_name": "Caroline"},
            {"email": bad, "pass": "wrong-password"},
        ],
        "options": {"verify": False, "warmup": True, "tags": ["Agency"], "daily_limit": 30},
        **way,
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


async def _refuses_gmail_at_lemlist(me: Customer) -> None:
    inboxes = [{"email": "caroline@getbrandmerge.com", "pass": "Caroline@Thompson2025"}]
    order = {"platform_type": "lemlist", **BY_KEY, "inbox_type": "gmail", "inboxes": inboxes}
    connection = await me.call("POST", "/v1/connect-inbox", order, expect=200)
    await me.until(f"/v1/connect-inbox/{connection['id']}", "failed")
    [inbox] = (await me.call("GET", f"/v1/connect-inbox/{connection['id']}/inboxes"))["data"]
    assert inbox["error"]["code"] == "platform.rejected"
    assert "Google" in inbox["error"]["action"]


async def _tells_what_is_wrong(me: Customer) -> None:
    """A key that is refused, and a password where none is taken."""
    inboxes = [{"email": "caroline@getbrandmerge.com", "pass": "x"}]
    for platform_type in sorted({platform_type for platform_type, _ in WAYS}):
        order = {"platform_type": platform_type, "inbox_type": "gmail", "inboxes": inboxes}
        refused = await me.call("POST", "/v1/connect-inbox", {**order, "platform_api_key": "wrong-password"})
        done = await me.until(f"/v1/connect-inbox/{refused['id']}", *ENDED)
        [inbox] = (await me.call("GET", f"/v1/connect-inbox/{refused['id']}/inboxes"))["data"]
        assert (done["status"], inbox["error"]["code"]) == ("failed", "platform.bad_credentials")
    for platform_type, where in WHERE_KEYS_ARE.items():
        order = {"platform_type": platform_type, **BY_LOGIN, "inbox_type": "gmail", "inboxes": inboxes}
        answer = await me.call("POST", "/v1/connect-inbox", order, expect=422)
        assert answer["code"] == "platform.login_not_offered"
        assert "platform_api_key" in str(answer)
        assert where in str(answer)
