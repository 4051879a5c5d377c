import asyncio

import pytest

from litemail import mailboxes
from litemail.kit import ids
from litemail.kit.db import Database
from litemail.kit.secrets import Secrets
from litemail.mailboxes import jobs
from litemail.protocols import address
from litemail.servers.sign_in import SignIns
from tests.mailboxes.conftest import NewOwner, Owner

NAMES = ["ada", "bob", "carl", "dora", "emil"]


async def test_one_mailbox_is_active_at_once_and_lists_show_no_secret(owner: Owner):
    made = await owner.create("Ada.L", tags=["spring"], signature="Ada")
    assert (made["email"], made["status"]) == (f"ada.l@{owner.domain}", "active")
    assert made["display_name"] == "Ada Lovelace"
    listed = (await owner.call("GET", "/v1/mailboxes?count=true")).json()
    assert listed["data"] == [made]
    assert listed["total"] == 1
    assert "password" not in str(listed)
    assert (await owner.call("GET", f"/v1/mailboxes/{made['id']}")).json() == made


async def test_the_password_signs_in_and_reading_it_is_audited(owner: Owner, database: Database, secrets: Secrets):
    made = await owner.create("ada")
    read = (await owner.call("GET", f"/v1/mailboxes/{made['id']}/credentials")).json()
    assert len(read["password"]) == 20
    assert (read["imap"]["security"], read["smtp"]["security"]) == ("tls", "starttls")
    sign_ins = SignIns(database, secrets)
    assert await sign_ins.check(made["email"].upper(), read["password"]) is not None
    assert await sign_ins.check(made["email"], "wrong") is None
    assert await sign_ins.check("nobody@nowhere.test", "wrong") is None
    async with database.begin_system("test") as tx:
        lines = await tx.value(
            int,
            "SELECT count(*) FROM events WHERE subject = %(id)s AND type = 'mailbox.credentials_read'",
            id=made["id"],
        )
    assert lines == 1


async def test_a_changed_password_works_at_once_and_the_old_one_no_more(
    owner: Owner, database: Database, secrets: Secrets
):
    made = await owner.create("ada", password="the first password")
    sign_ins = SignIns(database, secrets)
    assert await sign_ins.check(made["email"], "the first password") is not None
    changed = await owner.call("PUT", f"/v1/mailboxes/{made['id']}", json={"password": "the second password"})
    assert changed.status_code == 200, changed.text
    assert await sign_ins.check(made["email"], "the first password") is None
    assert await sign_ins.check(made["email"], "the second password") is not None


async def test_fields_left_out_stay(owner: Owner):
    made = await owner.create("ada", tags=["a", "b"])
    changed = await owner.call("PUT", f"/v1/mailboxes/{made['id']}", json={"display_name": "Countess"})
    assert changed.json() == {**made, "display_name": "Countess"}
    emptied = await owner.call("PUT", f"/v1/mailboxes/{made['id']}", json={"tags": [], "signature": ""})
    assert emptied.json()["tags"] == []


async def test_each_item_of_a_bulk_call_gets_its_own_answer(owner: Owner):
    await owner.create("taken")
    answer = await owner.call(
        "POST",
        "/v1/mailboxes",
        json={
            "mailboxes": [
                owner.wanted("ada"),
                owner.wanted("taken"),
                owner.wanted("ADA"),
                owner.wanted("has space"),
                {**owner.wanted("eve"), "domain": "not-mine.test"},
            ]
        },
    )
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert (body["accepted"], body["rejected"]) == (1, 4)
    assert [item["status"] for item in body["results"]] == ["accepted", *["rejected"] * 4]
    assert [item["error"]["code"] for item in body["results"][1:]] == [
        "mailbox.address_taken",
        "mailbox.named_twice",
        "mailbox.bad_username",
        "mailbox.domain_not_usable",
    ]


async def test_a_domain_takes_no_more_than_its_limit_whatever_runs_at_once(owner: Owner):
    answers = await asyncio.gather(
        *(owner.call("POST", "/v1/mailboxes", json=owner.wanted(f"box{n}")) for n in range(9))
    )
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [409] * 4
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"domain.mailbox_limit"}
    assert (await owner.call("GET", f"/v1/domains/{owner.domain}")).json()["mailbox_count"] == 5


async def test_all_or_nothing_leaves_nothing(owner: Owner):
    wanted = [owner.wanted(f"box{n}") for n in range(6)]
    answer = await owner.call("POST", "/v1/mailboxes", json={"mailboxes": wanted, "all_or_nothing": True})
    assert (answer.status_code, answer.json()["code"]) == (422, "bulk.not_all_accepted")
    assert answer.json()["details"][0]["field"] == "mailboxes[5].domain"
    assert (await owner.call("GET", "/v1/mailboxes")).json()["data"] == []
    assert (await owner.call("GET", f"/v1/domains/{owner.domain}")).json()["mailbox_count"] == 0


async def test_when_none_is_accepted_the_call_is_refused_with_the_results(owner: Owner):
    answer = await owner.call("POST", "/v1/mailboxes", json={"mailboxes": [owner.wanted("a b")]})
    assert (answer.status_code, answer.json()["code"]) == (422, "bulk.rejected")
    assert answer.json()["results"][0]["error"]["code"] == "mailbox.bad_username"


async def test_chosen_passwords_of_many_are_hashed_by_a_job(owner: Owner, database: Database, secrets: Secrets):
    wanted = [owner.wanted("ada", password="a chosen password"), owner.wanted("bob")]
    answer = await owner.call("POST", "/v1/mailboxes", json={"mailboxes": wanted})
    ada = answer.json()["results"][0]["id"]
    assert (await owner.call("GET", f"/v1/mailboxes/{ada}")).json()["status"] == "provisioning"
    for _ in range(2):
        await jobs.hash_passwords(database=database, secrets=secrets, workspace_id=owner.person.workspace_id)
    assert (await owner.call("GET", f"/v1/mailboxes/{ada}")).json()["status"] == "active"
    assert await SignIns(database, secrets).check(f"ada@{owner.domain}", "a chosen password") is not None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("search=ad", {"ada", "adam"}),
        ("search=AD", {"ada", "adam"}),
        ("search=da", set()),
        ("domain={domain}&search=da", {"ada", "adam"}),
        ("search={domain}", {"ada", "adam", "zoe"}),
        ("search={domain}&status=suspended", set()),
        ("tag=spring", {"zoe"}),
        ("search=%25", set()),
        ("domain=elsewhere.test", set()),
    ],
)
async def test_lists_are_filtered(owner: Owner, query: str, found: set[str]):
    for name in ("ada", "adam"):
        await owner.create(name)
    await owner.create("zoe", tags=["spring"])
    answer = await owner.call("GET", "/v1/mailboxes?count=true&" + query.format(domain=owner.domain))
    assert answer.status_code == 200, answer.text
    assert {mailbox["username"] for mailbox in answer.json()["data"]} == found
    assert answer.json()["total"] == len(found)


async def test_pages_are_stable_under_inserts(owner: Owner):
    for name in NAMES[:4]:
        await owner.create(name)
    first = (await owner.call("GET", "/v1/mailboxes?limit=2")).json()
    await owner.create(NAMES[4])
    second = (await owner.call("GET", f"/v1/mailboxes?limit=2&cursor={first['next_cursor']}")).json()
    assert [mailbox["username"] for mailbox in first["data"] + second["data"]] == ["dora", "carl", "bob", "ada"]
    assert second["next_cursor"] is None


async def test_a_removed_mailbox_is_gone_and_its_place_and_address_are_free(
    owner: Owner, database: Database, secrets: Secrets
):
    made = await owner.create("ada", password="a chosen password")
    scheduled = await owner.call("DELETE", f"/v1/mailboxes/{made['id']}")
    assert (scheduled.status_code, scheduled.json()["status"]) == (200, "scheduled_for_removal")
    gone = await owner.call("DELETE", f"/v1/mailboxes/{made['id']}?at=now")
    assert (gone.status_code, gone.json()["status"]) == (200, "removed")
    assert (await owner.call("GET", f"/v1/mailboxes/{made['id']}")).status_code == 404
    assert await SignIns(database, secrets).check(made["email"], "a chosen password") is None
    async with database.begin_system("test") as tx:
        assert (await mailboxes.route(tx, address.parse(made["email"]))).result == "rejected"
    assert (await owner.call("GET", f"/v1/domains/{owner.domain}")).json()["mailbox_count"] == 0
    assert (await owner.create("ada"))["id"] != made["id"]


async def test_somebody_elses_mailbox_is_not_found(owner: Owner, new_owner: NewOwner):
    made = await owner.create("ada")
    stranger = await new_owner()
    for method, path, body in (
        ("GET", "", None),
        ("PUT", "", {"display_name": "Mine"}),
        ("DELETE", "?at=now", None),
        ("GET", "/credentials", None),
    ):
        answer = await stranger.call(method, f"/v1/mailboxes/{made['id']}{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "mailbox.not_found")
    taken = await stranger.call("POST", "/v1/mailboxes", json=owner.wanted("eve"))
    assert (taken.status_code, taken.json()["code"]) == (422, "mailbox.domain_not_usable")


async def test_credentials_need_their_own_scope(owner: Owner):
    made = await owner.create("ada")
    key = (await owner.call("POST", "/v1/api-keys", json={"name": "plain"})).json()
    answer = await owner.client.get(f"/v1/mailboxes/{made['id']}/credentials", headers={"x-api-key": key["key"]})
    assert (answer.status_code, answer.json()["code"]) == (403, "auth.scope_missing")
    assert "mailboxes:credentials" in answer.json()["message"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"domain", "username", "first_name", "last_name"}),
        ({"mailboxes": []}, {"mailboxes"}),
        ({"mailboxes": [{"domain": 5.0, "username": True}]}, {
            "mailboxes[0].domain", "mailboxes[0].username", "mailboxes[0].first_name", "mailboxes[0].last_name",
        }),
        ({"mailboxes": [], "more": 1}, {"mailboxes", "more"}),
        (
            {"domain": "a.test", "username": "a", "first_name": "", "last_name": "x", "password": "short", "tags": "a"},
            {"first_name", "password", "tags"},
        ),
    ],
)  # fmt: skip
async def test_every_wrong_field_is_named(owner: Owner, body: dict, fields: set[str]):
    answer = await owner.call("POST", "/v1/mailboxes", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    assert {detail["field"] for detail in answer.json()["details"]} == fields


async def test_too_many_in_one_call(owner: Owner):
    wanted = [owner.wanted(f"box{n}") for n in range(1001)]
    answer = await owner.call("POST", "/v1/mailboxes", json={"mailboxes": wanted})
    assert answer.status_code == 422
    assert answer.json()["details"][0]["field"] == "mailboxes"


async def test_an_app_password_is_the_same_whenever_it_is_asked_for(owner: Owner, database: Database, secrets: Secrets):
    made = await owner.create("ada", password="a chosen password")
    first, second = ids.new_id("pfa"), ids.new_id("pfa")
    given = []
    for account in (first, first, second):
        async with database.begin_system("test") as tx:
            handed = await mailboxes.hand_to_platform_account(
                tx,
                [made["id"]],
                platform_account_id=account,
                label="Instantly",
                by=owner.person.actor(),
                secrets=secrets,
            )
            given.append(handed[made["id"]])
    assert given[0] == given[1] != given[2]
    sign_ins = SignIns(database, secrets)
    for password in (*given, "a chosen password"):
        assert await sign_ins.check(made["email"], password) is not None


async def test_a_mailbox_sends_no_more_than_its_daily_limit(owner: Owner, database: Database):
    made = await owner.create("ada")

    async def send(recipients: int) -> None:
        async with database.begin_system("test") as tx:
            await mailboxes.count_sent(tx, made["id"], email=made["email"], recipients=recipients, limit=10)

    await send(6)
    with pytest.raises(mailboxes.SendingLimitReached):
        await send(5)
    await send(4)
    with pytest.raises(mailboxes.SendingLimitReached):
        await send(1)
