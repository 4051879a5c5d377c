"""Inboxes on their way to a twin that is slow, failing and limiting, while the worker is killed again and again.

At the end each inbox is at the platform exactly once, and the report says so of each.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.installation import Customer, Installation, customer, installation

pytestmark = pytest.mark.timeout(180)

COUNT = 40
ENDED = ("completed", "completed_with_errors", "failed")
STORMS: list[dict[str, Any]] = [
    {"latency_ms": 100},
    {"latency_ms": 20, "error_rate": 0.3},  # half of the failures happen after the effect: cut or answered by 500
    {"rate_limit": 15, "latency_ms": 20},
    {"down": True},
]


async def test_each_inbox_is_there_once_and_the_report_is_true(tmp_path: Path) -> None:
    """Two connections of one account share half of their inboxes, so both may want to add the same one."""
    with installation(tmp_path) as house:
        house.start("sandbox")
        house.start("api")
        worker = house.start("worker")
        async with customer(house.url) as me:
            await me.call("POST", "/v1/sandbox/platforms/smartlead", STORMS[0])
            begun = [await _begin(me, range(COUNT)), await _begin(me, range(COUNT // 2, COUNT + COUNT // 2))]
            for storm in STORMS:
                await me.call("POST", "/v1/sandbox/platforms/smartlead", storm)
                await asyncio.sleep(1.0)  # a kill at whatever moment is the point
                house.kill(worker)
                worker = house.start("worker")
            await me.call("POST", "/v1/sandbox/platforms/smartlead", {})
            reports = [await me.until(f"/v1/connect-inbox/{each}", *ENDED, seconds=60) for each in begun]
            await _is_true(me, begun, reports)


async def _begin(me: Customer, numbers: range) -> str:
    order = {
        "platform_type": "smartlead",
        "platform_api_key": "one-key",
        "inbox_type": "gmail",
        "inboxes": [{"email": _email(number), "pass": _password(number)} for number in numbers],
        "options": {"verify": False},
    }
    connection: dict[str, Any] = await me.call("POST", "/v1/connect-inbox", order, expect=200)
    return str(connection["id"])


def _email(number: int) -> str:
    return f"box{number}@elsewhere.com"


def _password(number: int) -> str:
    """Each tenth inbox is one that the platform cannot sign in to."""
    return "wrong-password" if number % 10 == 0 else f"Secret-{number}"


async def _is_true(me: Customer, begun: list[str], reports: list[dict[str, Any]]) -> None:
    wrong = {_email(number) for number in range(COUNT + COUNT // 2) if number % 10 == 0}
    right = {_email(number) for number in range(COUNT + COUNT // 2)} - wrong
    twin = await me.call("GET", "/v1/sandbox/platforms/smartlead")
    held = [account["email"] for account in twin["accounts"]]
    assert sorted(held) == sorted(right)
    for connection_id, report in zip(begun, reports, strict=True):
        rows = await _inboxes(me, connection_id)
        by_status = {status: {row["email"] for row in rows if row["status"] == status} for status in ENDED_INBOX}
        assert by_status["connected"] | by_status["failed"] == {row["email"] for row in rows}
        assert by_status["connected"] == {row["email"] for row in rows} & right, rows
        assert {row["error"]["code"] for row in rows if row["status"] == "failed"} == {"inbox.bad_credentials"}
        assert (report["connected"], report["failed"]) == (len(by_status["connected"]), len(by_status["failed"]))
        assert report["status"] == "completed_with_errors"


ENDED_INBOX = ("connected", "failed")


async def _inboxes(me: Customer, connection_id: str) -> list[dict[str, Any]]:
    answer = await me.call("GET", f"/v1/connect-inbox/{connection_id}/inboxes?limit=200")
    rows: list[dict[str, Any]] = answer["data"]
    return rows


async def test_servers_of_a_domain_of_this_installation_are_found(tmp_path: Path) -> None:
    """A real mailbox, connected as one of any host: its servers are found by the MX that our own DNS server serves."""
    with installation(tmp_path) as house:
        house.start("serve")
        async with customer(house.url) as me:
            await _finds_our_own(house, me)


async def _finds_our_own(house: Installation, me: Customer) -> None:
    await me.active_domain("getbrandmerge.test")
    made = await me.mailbox("getbrandmerge.test", "caroline", password="Caroline@Thompson2025")
    await me.until(f"/v1/mailboxes/{made['id']}", "active")
    order = {
        "platform_type": "instantly",
        "platform_api_key": "any-key",
        "inbox_type": "custom",
        "inboxes": [
            {"email": "caroline@getbrandmerge.test", "pass": "Caroline@Thompson2025"},
            {"email": "nobody@elsewhere.com", "pass": "x"},
        ],
    }
    connection = await me.call("POST", "/v1/connect-inbox", order, expect=200)
    await me.until(f"/v1/connect-inbox/{connection['id']}", *ENDED)
    found, lost = await _inboxes(me, connection["id"])
    assert found["status"] == "connected", found
    assert (found["servers"]["imap"]["port"], found["servers"]["smtp"]["port"]) == (
        house.ports["imaps"],
        house.ports["submission"],
    )
    assert (lost["status"], lost["error"]["code"]) == ("failed", "inbox.servers_not_found")
