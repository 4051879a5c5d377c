"""App passwords at the API, and at the sign-in that our mail servers use."""

from litemail.kit.db import Database
from litemail.kit.secrets import Secrets
from litemail.servers.sign_in import SignIns
from tests.mailboxes.conftest import NewOwner, Owner


async def make(owner: Owner, mailbox_id: str, label: str = "Thunderbird") -> dict:
    answer = await owner.call("POST", f"/v1/mailboxes/{mailbox_id}/app-passwords", json={"label": label})
    assert answer.status_code == 201, answer.text
    made: dict = answer.json()
    return made


async def listed(owner: Owner, mailbox_id: str) -> list[dict]:
    found: list[dict] = (await owner.call("GET", f"/v1/mailboxes/{mailbox_id}/app-passwords")).json()["data"]
    return found


async def test_an_app_password_signs_in_until_it_is_revoked(owner: Owner, database: Database, secrets: Secrets):
    mailbox = await owner.create("ada")
    made = await make(owner, mailbox["id"])
    sign_ins = SignIns(database, secrets)
    for _ in range(2):  # the second time it is remembered
        row = await sign_ins.check(mailbox["email"], made["password"])
        assert row is not None
        assert row.mailbox_id == mailbox["id"]
    gone = await owner.call("DELETE", f"/v1/mailboxes/{mailbox['id']}/app-passwords/{made['id']}")
    assert gone.status_code == 204
    assert await sign_ins.check(mailbox["email"], made["password"]) is None
    assert await listed(owner, mailbox["id"]) == []


async def test_it_is_shown_once_and_says_when_it_was_last_used(owner: Owner, database: Database, secrets: Secrets):
    mailbox = await owner.create("ada")
    first, second = await make(owner, mailbox["id"], "phone"), await make(owner, mailbox["id"], "laptop")
    assert len(first["password"]) == 20
    assert first["password"] != second["password"]
    await SignIns(database, secrets).check(mailbox["email"], first["password"])
    shown = await listed(owner, mailbox["id"])
    assert [(each["label"], each["last_used_at"] is not None) for each in shown] == [("laptop", False), ("phone", True)]
    assert not {"password", "hash", "sealed"} & set(shown[0])


async def test_the_mailboxs_own_password_goes_on(owner: Owner, database: Database, secrets: Secrets):
    mailbox = await owner.create("ada")
    made = await make(owner, mailbox["id"])
    own = (await owner.call("GET", f"/v1/mailboxes/{mailbox['id']}/credentials")).json()["password"]
    assert await SignIns(database, secrets).check(mailbox["email"], own) is not None
    await owner.call("PUT", f"/v1/mailboxes/{mailbox['id']}", json={"password": "another password"})
    assert await SignIns(database, secrets).check(mailbox["email"], made["password"]) is not None


async def test_making_and_revoking_is_in_the_audit_log(owner: Owner, database: Database):
    mailbox = await owner.create("ada")
    made = await make(owner, mailbox["id"])
    await owner.call("DELETE", f"/v1/mailboxes/{mailbox['id']}/app-passwords/{made['id']}")
    async with database.begin_system("test") as tx:
        told = await tx.values(
            str,
            """SELECT type FROM events WHERE subject = %(id)s AND type LIKE 'mailbox.app%%' AND audience = 'audit'
               AND user_id = %(user)s AND data->>'app_password_id' = %(app)s ORDER BY number""",
            id=mailbox["id"],
            user=owner.person.user_id,
            app=made["id"],
        )
    assert told == ["mailbox.app_password_created", "mailbox.app_password_revoked"]


async def test_others_see_nothing_and_what_is_not_there_is_404(owner: Owner, new_owner: NewOwner):
    mailbox = await owner.create("ada")
    made = await make(owner, mailbox["id"])
    stranger = await new_owner()
    path = f"/v1/mailboxes/{mailbox['id']}/app-passwords"
    for method, where in (("GET", path), ("DELETE", f"{path}/{made['id']}")):
        assert (await stranger.call(method, where)).json()["code"] == "mailbox.not_found"
    assert (await stranger.call("POST", path, json={"label": "x"})).status_code == 404
    other = await owner.create("bob")
    for wrong in (f"/v1/mailboxes/{other['id']}/app-passwords/{made['id']}", f"{path}/apw_nonsense"):
        assert (await owner.call("DELETE", wrong)).json()["code"] == "app_password.not_found"
    assert (await owner.call("POST", path, json={"label": "two\nlines"})).status_code == 422


async def test_there_is_a_limit(owner: Owner):
    mailbox = await owner.create("ada")
    for number in range(50):
        await make(owner, mailbox["id"], f"client {number}")
    answer = await owner.call("POST", f"/v1/mailboxes/{mailbox['id']}/app-passwords", json={"label": "one more"})
    assert (answer.status_code, answer.json()["code"]) == (409, "app_password.limit")
