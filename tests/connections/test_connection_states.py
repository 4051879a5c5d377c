import asyncio

import pytest

from litemail.providers.platform import Limits, NoPaidPlan, RateLimited, UnexpectedAnswer
from tests.conftest import eventually
from tests.connections.world import NAME, World, body, down, refusal


async def test_the_contracts_example_answers_as_written_and_ends_connected(world: World):
    answer = await world.call("POST", "/v1/connect-inbox", json=body([EXAMPLE]))
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert made == {
        "id": made["id"],
        "status": "queued",
        "platform_type": "instantly",
        "platform_account_id": made["platform_account_id"],
        "inbox_type": "gmail",
        "total": 1,
        "connected": 0,
        "failed": 0,
        "inboxes": [{"id": made["inboxes"][0]["id"], "email": "caroline@getbrandmerge.com", "status": "queued"}],
        "created_at": made["created_at"],
    }
    assert made["id"].startswith("con_")
    assert made["inboxes"][0]["id"].startswith("cin_")
    await world.run(made["id"])
    shown = await world.show(made["id"])
    assert (shown["status"], shown["connected"], shown["failed"]) == ("completed", 1, 0)
    assert shown["finished_at"] > shown["created_at"]
    (inbox,) = await world.inboxes(made["id"])
    assert (inbox["status"], inbox["already"], inbox["error"], inbox["action"]) == ("connected", False, None, None)
    added = world.platform.inboxes["caroline@getbrandmerge.com"]
    assert (added.first_name, added.last_name) == ("Caroline", "")
    assert (added.imap.host, added.imap.password) == ("imap.gmail.com", "Caroline@Thompson2025")
    assert world.hosts.asked["caroline@getbrandmerge.com"] == 1


EXAMPLE = {"email": "caroline@getbrandmerge.com", "pass": "Caroline@Thompson2025"}


async def test_each_inbox_ends_with_its_own_outcome(world: World):
    world.platform.refused["no@example.com"] = refusal("no@example.com")
    shown = await world.connect(
        [
            {"email": "Ok@Example.com", "pass": " with space "},
            {"email": "bad@example.com", "pass": "wrong-password"},
            {"email": "no@example.com", "pass": "x"},
        ]
    )
    assert (shown["status"], shown["connected"], shown["failed"]) == ("completed_with_errors", 1, 2)
    ok, bad, no = await world.inboxes(shown["id"])
    assert (ok["email"], ok["status"]) == ("ok@example.com", "connected")
    assert world.hosts.passwords["ok@example.com"] == " with space "
    assert (bad["status"], bad["error"]["code"], bad["error"]["stage"]) == ("failed", "inbox.bad_credentials", "imap")
    assert (no["error"]["code"], no["error"]["stage"]) == ("inbox.bad_credentials", "connecting")
    assert bad["error"]["action"]
    assert [row["email"] for row in await world.inboxes(shown["id"], status="failed")] == [
        "bad@example.com",
        "no@example.com",
    ]
    assert "bad@example.com" not in world.platform.adds


async def test_an_inbox_that_was_there_before_is_connected_already(world: World):
    await world.connect(1)
    shown = await world.connect(2)
    assert (shown["status"], shown["connected"]) == ("completed", 2)
    assert [row["already"] for row in await world.inboxes(shown["id"])] == [True, False]
    assert set(world.platform.adds.values()) == {1}


async def test_platforms_that_do_not_refuse_duplicates_are_looked_at_first(world: World):
    world.platform.duplicates_refused = False
    await world.connect(1)
    shown = await world.connect(2)
    assert [row["already"] for row in await world.inboxes(shown["id"])] == [True, False]
    assert world.platform.calls["find"] == 3
    assert set(world.platform.adds.values()) == {1}


async def test_verification_can_be_left_out(world: World):
    shown = await world.connect(1, options={"verify": False})
    assert shown["status"] == "completed"
    assert not world.hosts.asked


async def test_warmup_tags_and_limits_are_set_in_few_calls(world: World):
    options = {"verify": False, "warmup": True, "daily_limit": 30, "tags": ["Agency", "Agency", "New"]}
    inboxes = [{"email": f"b{number}@example.com", "pass": "x"} for number in range(20)]
    inboxes[3]["daily_limit"] = 7  # type: ignore[assignment]  # one differs
    shown = await world.connect(inboxes, options=options)
    assert shown["status"] == "completed"
    assert len(world.platform.warm) == 20
    assert set(map(frozenset, world.platform.tagged.values())) == {frozenset({"Agency", "New"})}
    assert world.platform.calls["warmup"] < 15
    assert world.platform.inboxes["b3@example.com"].daily_limit == 7
    assert world.platform.inboxes["b4@example.com"].daily_limit == 30


async def test_a_rate_limit_is_waited_for_and_seen(world: World):
    world.platform.failing["add"] = [RateLimited(name=NAME, retry_after=0.3) for _ in range(3)]
    begun = await world.begin(5, options={"verify": False})
    async with world.running(begun["id"]) as task:

        async def told() -> bool:
            rows = await world.inboxes(begun["id"])
            return any((row["error"] or {}).get("code") == "platform.rate_limited" for row in rows)

        await eventually(told)
        await task
    assert (await world.show(begun["id"]))["status"] == "completed"
    assert all(row["error"] is None for row in await world.inboxes(begun["id"]))


async def test_a_platform_that_is_down_for_a_moment_is_tried_again(world: World):
    world.platform.failing = {"exchange": down(3), "add": down(10), "confirm": down(10)}
    shown = await world.connect(1, options={"verify": False})
    assert shown["status"] == "completed", await world.inboxes(shown["id"])
    assert set(world.platform.adds.values()) == {1}


async def test_a_platform_that_stays_down_fails_after_ten_tries_or_more(world: World):
    world.platform.failing["add"] = down(1000)
    shown = await world.connect(1, options={"verify": False})
    (inbox,) = await world.inboxes(shown["id"])
    assert (shown["status"], inbox["error"]["code"]) == ("failed", "platform.unavailable")
    assert inbox["error"]["retryable"] is True
    assert "by itself" not in inbox["error"]["action"]
    assert world.platform.calls["add"] >= 10


async def test_a_lost_answer_is_read_back_and_not_repeated(world: World):
    world.platform.lost_answers = 7
    shown = await world.connect(20, options={"verify": False})
    assert (shown["status"], shown["connected"]) == ("completed", 20)
    assert set(world.platform.adds.values()) == {1}
    assert not any(row["already"] for row in await world.inboxes(shown["id"]))


async def test_an_unknown_answer_fails_the_inbox_and_never_counts_as_success(world: World):
    world.platform.failing["add"] = [
        UnexpectedAnswer(name=NAME, call="POST /x", status=299, reason="unknown status", body="")
    ]
    shown = await world.connect(2, options={"verify": False})
    assert (shown["status"], shown["connected"], shown["failed"]) == ("completed_with_errors", 1, 1)
    (failed,) = await world.inboxes(shown["id"], status="failed")
    assert failed["error"]["code"] == "platform.unexpected_answer"


async def test_an_inbox_that_never_shows_fails_in_time(world: World):
    world.platform.pending_reads = 10_000
    world.platform.limits = Limits(10_000, 600_000, concurrency=50, confirm_within=0.1)
    shown = await world.connect(1, options={"verify": False})
    (inbox,) = await world.inboxes(shown["id"])
    assert (inbox["status"], inbox["error"]["code"]) == ("failed", "platform.not_confirmed")


async def test_inboxes_that_take_a_while_are_read_back_until_they_are_there(world: World):
    world.platform.pending_reads = 3
    shown = await world.connect(3, options={"verify": False})
    assert shown["status"] == "completed"


async def test_a_mail_host_that_is_down_does_not_hold_up_the_others(world: World):
    world.hosts.unreachable["slow@example.com"] = 2
    world.hosts.unreachable["dead@example.com"] = 99
    emails = ["slow@example.com", "dead@example.com", "fine@example.com"]
    shown = await world.connect([{"email": email, "pass": "x"} for email in emails])
    slow, dead, fine = await world.inboxes(shown["id"])
    assert [slow["status"], fine["status"]] == ["connected", "connected"]
    assert (dead["error"]["code"], dead["error"]["retryable"]) == ("inbox.host_unreachable", True)


async def test_wrong_platform_credentials_fail_all_inboxes_at_once(world: World):
    shown = await world.connect(3, platform_pass="wrong-password")
    assert (shown["status"], shown["failed"]) == ("failed", 3)
    problems = {row["error"]["code"] for row in await world.inboxes(shown["id"])}
    assert problems == {"platform.bad_credentials"}
    assert not world.hosts.asked
    assert not world.platform.calls["add"]


async def test_a_key_that_stops_working_fails_all_that_are_still_waiting(world: World):
    world.platform.limits = Limits(10_000, 600_000, concurrency=2, confirm_within=1)
    world.platform.latency = 0.005
    world.platform.failing["confirm"] = [NoPaidPlan(name=NAME)]
    shown = await world.connect(30, options={"verify": False})
    assert shown["status"] in ("failed", "completed_with_errors")
    assert shown["failed"] >= 25
    codes = {row["error"]["code"] for row in await world.inboxes(shown["id"], status="failed")}
    assert codes == {"platform.no_paid_plan"}
    assert world.platform.calls["add"] < 6


async def test_concurrency_stays_within_what_platform_and_mail_hosts_allow(world: World):
    world.platform.limits = Limits(10_000, 600_000, concurrency=7, confirm_within=1)
    world.platform.latency = world.hosts.latency = 0.002
    shown = await world.connect(60)
    assert shown["status"] == "completed"
    assert world.platform.most_together == 7
    assert world.hosts.most_together == 10


async def test_a_thousand_inboxes_are_taken_in_well_under_a_second_and_connected(world: World):
    loop = asyncio.get_running_loop()
    started = loop.time()
    begun = await world.begin(1000, options={"verify": False})
    taken_in = loop.time() - started
    await world.run(begun["id"])
    shown = await world.show(begun["id"])
    assert (shown["status"], shown["connected"]) == ("completed", 1000)
    assert len(world.platform.adds) == 1000
    assert taken_in < 3  # about 0.15 s on an idle machine; this only catches a statement per inbox


@pytest.mark.parametrize("inbox_type", ["gmail", "outlook", "yahoo", "zoho"])
async def test_known_providers_have_their_servers(world: World, inbox_type: str):
    shown = await world.connect([{"email": "a@example.com", "pass": "x", "username": "other"}], inbox_type=inbox_type)
    assert shown["status"] == "completed"
    added = world.platform.inboxes["a@example.com"]
    assert added.inbox_type == inbox_type
    assert (added.imap.port, added.smtp.port, added.imap.username) == (993, 587, "other")


async def test_custom_servers_for_all_and_for_one(world: World):
    everywhere = {"host": "LOCALHOST", "port": 8993, "security": "tls"}
    own = {"host": "127.0.0.1", "port": 8587, "security": "none"}
    shown = await world.connect(
        [{"email": "a@example.com", "pass": "x"}, {"email": "b@example.com", "pass": "x", "smtp": own}],
        inbox_type="custom",
        imap=everywhere,
        smtp={**everywhere, "port": 8587, "security": "starttls"},
    )
    assert shown["status"] == "completed"
    a, b = world.platform.inboxes["a@example.com"], world.platform.inboxes["b@example.com"]
    assert (a.imap.host, a.smtp.port, a.smtp.security) == ("localhost", 8587, "starttls")
    assert (b.imap.host, b.smtp.host, b.smtp.security) == ("localhost", "127.0.0.1", "none")
