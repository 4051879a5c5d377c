"""Exports to platform accounts: states, updates instead of duplicates, crashes, cancelling, retrying."""

import asyncio

import pytest

from litemail.exports import MailHostNotPublic, create, run_queries
from litemail.exports.intake import Wanted
from litemail.exports.queries import Filter, Options
from litemail.kit.db import Database
from litemail.kit.ports import PortBook
from litemail.kit.secrets import Secrets
from litemail.mailboxes import MailAccess
from litemail.platforms import LeaseLost
from litemail.providers.platform import BadCredentials, Capability, NoPaidPlan, registry
from litemail.servers.sign_in import SignIns
from tests.connections.world import NAME, down, refusal
from tests.exports.world import World


async def test_every_mailbox_gets_to_the_platform_with_an_app_password_of_its_own(
    world: World, database: Database, secrets: Secrets
):
    mailboxes = await world.mailboxes("ada", "bob")
    account = await world.account()
    options = {"daily_limit": 30, "warmup": True, "tags": ["spring"]}
    done = await world.export("instantly", platform_account_id=account, options=options)
    assert (done["status"], done["total"], done["succeeded"]) == ("completed", 2, 2)
    sign_ins = SignIns(database, secrets)
    for mailbox in mailboxes:
        inbox = world.platform.inboxes[mailbox["email"]]
        assert (inbox.imap.host, inbox.imap.port, inbox.imap.security) == ("127.0.0.1", 8993, "tls")
        assert (inbox.smtp.port, inbox.smtp.security, inbox.daily_limit) == (8587, "starttls", 30)
        assert await sign_ins.check(mailbox["email"], inbox.imap.password) is not None
        (line,) = await world.audited(mailbox["id"])
        assert line == {"platform_account_id": account, "user_id": world.person.user_id}
    assert world.platform.warm == set(world.platform.inboxes) == set(world.platform.tagged)
    items = await world.items(done["id"])
    assert [(item["email"], item["status"], item["stage"]) for item in items] == [
        (mailbox["email"], "succeeded", None) for mailbox in mailboxes
    ]


async def test_exporting_again_updates_and_adds_nothing(world: World):
    (mailbox,) = await world.mailboxes("ada")
    account = await world.account()
    await world.export("instantly", platform_account_id=account)
    before = world.platform.inboxes[mailbox["email"]]
    await world.call("PUT", f"/v1/mailboxes/{mailbox['id']}", json={"last_name": "Byron"})
    again = await world.export("instantly", platform_account_id=account, options={"daily_limit": 50})
    (item,) = await world.items(again["id"])
    assert (again["status"], item["already"]) == ("completed", True)
    after = world.platform.inboxes[mailbox["email"]]
    assert (after.last_name, after.daily_limit, after.imap.password) == ("Byron", 50, before.imap.password)
    assert world.platform.adds == {mailbox["email"]: 1}


async def test_a_new_app_password_is_pushed_where_the_platform_takes_it(world: World):
    (mailbox,) = await world.mailboxes("ada")
    account = await world.account()
    await world.export("instantly", platform_account_id=account)
    before = world.platform.inboxes[mailbox["email"]].imap.password
    (known,) = (await world.call("GET", f"/v1/mailboxes/{mailbox['id']}/app-passwords")).json()["data"]
    assert known["platform_account_id"] == account
    await world.call("DELETE", f"/v1/mailboxes/{mailbox['id']}/app-passwords/{known['id']}")
    await world.export("instantly", platform_account_id=account)
    assert world.platform.inboxes[mailbox["email"]].imap.password != before


async def test_a_password_that_the_platform_does_not_take_is_no_success(world: World):
    world.platform.capabilities = frozenset({Capability.LIMIT_ON_ADD})
    ada, _bob = await world.mailboxes("ada", "bob")
    account = await world.account()
    await world.export("instantly", platform_account_id=account)
    (known,) = (await world.call("GET", f"/v1/mailboxes/{ada['id']}/app-passwords")).json()["data"]
    await world.call("DELETE", f"/v1/mailboxes/{ada['id']}/app-passwords/{known['id']}")
    for _ in range(2):
        done = await world.export("instantly", platform_account_id=account)
        assert (done["status"], done["succeeded"], done["failed"]) == ("completed_with_errors", 1, 1)
        (failed,) = await world.items(done["id"], status="failed")
        assert (failed["email"], failed["error"]["code"]) == (ada["email"], "platform.password_not_taken")
    del world.platform.inboxes[ada["email"]]
    await world.call("POST", f"/v1/exports/{done['id']}/retry")
    await world.run(done["id"])
    assert (await world.show(done["id"]))["status"] == "completed"
    assert (await world.export("instantly", platform_account_id=account))["status"] == "completed"


async def test_a_platform_that_changes_nothing_is_not_asked_to(world: World):
    world.platform.capabilities = frozenset({Capability.LIMIT_ON_ADD})
    await world.mailboxes("ada")
    account = await world.account()
    for _ in range(2):
        done = await world.export("instantly", platform_account_id=account, options={"daily_limit": 10})
        assert done["status"] == "completed"
    assert not {"update", "update_credentials"} & set(world.platform.calls)


async def test_what_the_platform_refuses_is_an_item_with_the_reason_and_can_be_retried(world: World):
    ada, bob = await world.mailboxes("ada", "bob")
    world.platform.refused[bob["email"]] = refusal(bob["email"])
    account = await world.account()
    done = await world.export("instantly", platform_account_id=account)
    assert (done["status"], done["succeeded"], done["failed"]) == ("completed_with_errors", 1, 1)
    (failed,) = await world.items(done["id"], status="failed")
    assert (failed["email"], failed["stage"], failed["error"]["code"]) == (
        bob["email"],
        "connecting",
        "inbox.bad_credentials",
    )
    world.platform.refused.clear()
    again = await world.call("POST", f"/v1/exports/{done['id']}/retry")
    assert (again.status_code, again.json()["status"]) == (202, "queued")
    await world.run(done["id"])
    assert (await world.show(done["id"]))["status"] == "completed"
    assert world.platform.adds == {ada["email"]: 1, bob["email"]: 1}
    none = await world.call("POST", f"/v1/exports/{done['id']}/retry")
    assert (none.status_code, none.json()["code"]) == (409, "export.nothing_to_retry")


@pytest.mark.parametrize("error", [BadCredentials(name=NAME, words="no"), NoPaidPlan(name=NAME)])
async def test_a_platform_that_refuses_the_account_fails_all_with_its_reason(world: World, error: Exception):
    await world.mailboxes("ada", "bob")
    world.platform.failing["check"] = [error]  # type: ignore[list-item]  # both are ours
    account = await world.account()
    done = await world.export("instantly", platform_account_id=account)
    assert (done["status"], done["failed"]) == ("failed", 2)
    assert {item["stage"] for item in await world.items(done["id"])} == {"signing_in"}
    shown = (await world.call("GET", f"/v1/exports/accounts/{account}")).json()
    assert (shown["status"], shown["problem"]["code"]) == ("refused", error.code)  # type: ignore[attr-defined]  # ours


async def test_failures_of_the_moment_and_lost_answers_end_well(world: World):
    mailboxes = await world.mailboxes("ada", "bob", "cleo")
    world.platform.failing["add"] = down(5)
    world.platform.lost_answers = 2
    done = await world.export("instantly", platform_account_id=await world.account())
    assert (done["status"], done["succeeded"]) == ("completed", 3)
    assert world.platform.adds == {mailbox["email"]: 1 for mailbox in mailboxes}


async def test_a_mailbox_that_is_not_active_any_more_is_skipped(world: World):
    ada, bob, cleo = await world.mailboxes("ada", "bob", "cleo")
    await world.call("POST", f"/v1/mailboxes/{cleo['id']}/suspend")
    begun = await world.begin("instantly", platform_account_id=await world.account())
    assert (begun["total"], begun["skipped"]) == (3, 1)
    await world.call("POST", f"/v1/mailboxes/{bob['id']}/suspend")
    await world.run(begun["id"])
    shown = await world.show(begun["id"])
    assert (shown["status"], shown["succeeded"], shown["skipped"]) == ("completed", 1, 2)
    assert set(world.platform.inboxes) == {ada["email"]}
    assert {item["error"]["code"] for item in await world.items(begun["id"], status="skipped")} == {
        "export.mailbox_not_active"
    }


async def test_the_snapshot_is_of_the_beginning(world: World):
    (ada,) = await world.mailboxes("ada")
    begun = await world.begin("instantly", platform_account_id=await world.account())
    await world.mailboxes("late")
    await world.run(begun["id"])
    assert set(world.platform.inboxes) == {ada["email"]}


@pytest.mark.parametrize("point", ["add", "confirm", "check", "tag"])
async def test_a_run_killed_at_the_platform_is_taken_up_and_adds_nothing_twice(world: World, point: str):
    mailboxes = await world.mailboxes(*(f"box{n}" for n in range(6)))
    begun = await world.begin("instantly", platform_account_id=await world.account(), options={"tags": ["x"]})
    there, seen = asyncio.Event(), 0

    async def stop(name: str, _about: str) -> None:
        nonlocal seen
        if name == point:
            seen += 1
            if seen >= (1 if point in ("check", "tag") else 3):
                there.set()
                await asyncio.sleep(60)

    world.platform.after = stop
    async with world.running(begun["id"]):
        await asyncio.wait_for(there.wait(), 10)
    world.platform.after = None
    await world.run(begun["id"])
    assert (await world.show(begun["id"]))["succeeded"] == len(mailboxes)
    assert world.platform.adds == {mailbox["email"]: 1 for mailbox in mailboxes}


async def test_a_file_whose_making_was_killed_has_each_mailbox_once(world: World, monkeypatch: pytest.MonkeyPatch):
    """Patches the size of a step, so that there are several, and the end of the second."""
    monkeypatch.setattr("litemail.exports.run._IN_FILE", 2)
    mailboxes = await world.mailboxes(*(f"box{n}" for n in range(5)))
    begun = await world.begin()
    count, steps = run_queries.count, 0

    async def die(*given: object, **counts: int) -> None:
        nonlocal steps
        steps += 1
        await count(*given, **counts)  # type: ignore[arg-type]  # passed on as given
        if steps == 2:
            raise ConnectionAbortedError

    monkeypatch.setattr(run_queries, "count", die)
    with pytest.raises(ExceptionGroup, match="TaskGroup"):
        await world.run(begun["id"])
    monkeypatch.setattr(run_queries, "count", count)
    assert (await world.show(begun["id"]))["succeeded"] == 2
    await world.run(begun["id"])
    rows = await world.rows(begun["id"])
    assert [row["from_email"] for row in rows] == [mailbox["email"] for mailbox in mailboxes]


async def test_a_run_that_stood_still_writes_nothing_more(world: World):
    await world.mailboxes("ada")
    begun = await world.begin("instantly", platform_account_id=await world.account())
    stalled = asyncio.Event()

    async def stall(name: str, _about: str) -> None:
        if name == "add":
            stalled.set()
            async with world.database.begin_system("test") as tx:  # another one took it meanwhile
                await tx.execute("UPDATE exports SET fence = fence + 1 WHERE id = %(id)s", id=begun["id"])

    world.platform.before = stall
    with pytest.raises(LeaseLost):
        await world.run(begun["id"])
    assert (await world.items(begun["id"]))[0]["status"] != "succeeded"


async def test_cancelling_stops_what_is_queued_and_keeps_what_is_there(world: World):
    mailboxes = await world.mailboxes(*(f"box{n}" for n in range(6)))
    world.platform.limits = type(world.platform.limits)(10_000, 600_000, concurrency=1, confirm_within=1)
    begun = await world.begin("instantly", platform_account_id=await world.account())
    some = asyncio.Event()

    async def wait(name: str, _about: str) -> None:
        if name == "confirm":
            some.set()
            await asyncio.sleep(0.05)

    world.platform.after = wait
    async with world.running(begun["id"]) as task:
        await asyncio.wait_for(some.wait(), 10)
        cancelled = await world.call("DELETE", f"/v1/exports/{begun['id']}")
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
        await asyncio.wait_for(task, 3)
    shown = await world.show(begun["id"])
    assert shown["cancelled"] > 0
    assert shown["succeeded"] + shown["cancelled"] == len(mailboxes)
    assert len(world.platform.adds) < len(mailboxes)
    assert (await world.call("DELETE", f"/v1/exports/{begun['id']}")).status_code == 200


async def test_a_finished_export_to_a_platform_cannot_be_cancelled(world: World):
    await world.mailboxes("ada")
    done = await world.export("instantly", platform_account_id=await world.account())
    answer = await world.call("DELETE", f"/v1/exports/{done['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "export.already_finished")


async def test_deleting_the_account_revokes_what_it_was_handed(world: World, database: Database, secrets: Secrets):
    (mailbox,) = await world.mailboxes("ada")
    account, other = await world.account(), await world.account(email="second@litemail.ai")
    for each in (account, other):
        await world.export("instantly", platform_account_id=each)
        world.platform.inboxes.setdefault(mailbox["email"], world.platform.inboxes[mailbox["email"]])
    waiting = await world.begin("instantly", platform_account_id=account)
    known = (await world.call("GET", f"/v1/mailboxes/{mailbox['id']}/app-passwords")).json()["data"]
    assert {each["platform_account_id"] for each in known} == {account, other}
    assert (await world.call("DELETE", f"/v1/exports/accounts/{account}")).status_code == 204
    left = (await world.call("GET", f"/v1/mailboxes/{mailbox['id']}/app-passwords")).json()["data"]
    assert {each["platform_account_id"] for each in left} == {other}
    assert (await world.show(waiting["id"]))["status"] == "cancelled"
    assert (await world.call("GET", f"/v1/exports/accounts/{account}")).status_code == 404
    async with database.begin_system("test") as tx:
        kept = await tx.value(bytes, "SELECT api_key FROM platform_accounts WHERE id = %(id)s", id=account)
    assert kept is None
    assert (await world.account()) != account


async def test_an_account_deleted_in_the_middle_is_handed_nothing_more(world: World):
    (mailbox,) = await world.mailboxes("ada")
    account = await world.account()
    begun = await world.begin("instantly", platform_account_id=account)
    handed = asyncio.Event()

    async def stop(name: str, _about: str) -> None:
        if name == "add":
            handed.set()
            await asyncio.sleep(60)

    world.platform.after = stop
    async with world.running(begun["id"]):
        await asyncio.wait_for(handed.wait(), 10)
    world.platform.after = None
    assert (await world.call("DELETE", f"/v1/exports/accounts/{account}")).status_code == 204
    await world.run(begun["id"])
    (item,) = await world.items(begun["id"])
    assert (item["status"], item["error"]["code"]) == ("cancelled", "connection.cancelled_midway")
    assert (await world.call("GET", f"/v1/mailboxes/{mailbox['id']}/app-passwords")).json()["data"] == []


async def test_live_workspaces_export_only_where_the_mail_host_is_public(world: World, secrets: Secrets):
    await world.mailboxes("ada")
    ports = PortBook(world.folder / "live.json")
    ports.write({"imaps": 993, "submission": 587})
    wanted = Wanted("csv", None, None, Filter(all=True), Options())
    for host, refused in (("127.0.0.1", True), ("mail.example.com", False)):
        async with world.database.begin(world.person.actor(mode="live")) as tx:
            creating = create(
                tx, wanted, platforms=registry([]), guards=world.guards, mail_access=MailAccess(host, ports)
            )
            if refused:
                with pytest.raises(MailHostNotPublic):
                    await creating
            else:
                assert (await creating).mode == "live"
