import secrets as random

from tests.conftest import Person
from tests.connections.world import World, body


async def own_mailbox(world: World, *usernames: str) -> str:
    """Mailboxes of that name on a fresh active domain, made active by a line of SQL; its name."""
    domain = f"{random.token_hex(6)}.test"
    await world.call("POST", "/v1/domains/connect", json={"domains": [domain]})
    async with world.database.begin_system("test") as tx:
        await tx.execute("UPDATE domains SET status = 'active' WHERE name = %(name)s", name=domain)
    for username in usernames:
        wanted = {"domain": domain, "username": username, "first_name": "Ada", "last_name": "Lovelace"}
        made = await world.call("POST", "/v1/mailboxes", json=wanted)
        assert made.status_code == 201, made.text
    return domain


async def test_own_mailboxes_need_no_password_and_hand_over_one_of_their_own(world: World, person: Person):
    domain = await own_mailbox(world, "ada", "bob")
    emails = [f"ada@{domain}", f"bob@{domain}"]
    shown = await world.connect([{"email": email} for email in emails], inbox_type="litemail")
    assert (shown["status"], shown["connected"]) == ("completed", 2)
    ada, bob = (world.platform.inboxes[email] for email in emails)
    assert (ada.imap.host, ada.imap.port, ada.imap.security) == ("127.0.0.1", 8993, "tls")
    assert (ada.smtp.port, ada.smtp.security) == (8587, "starttls")
    assert ada.imap.password == world.hosts.passwords[ada.email] != bob.imap.password
    mailboxes = (await world.call("GET", "/v1/mailboxes")).json()["data"]
    opened = await world.call("GET", f"/v1/mailboxes/{mailboxes[-1]['id']}/credentials")
    assert opened.json()["password"] != ada.imap.password
    async with world.database.begin_system("test") as tx:
        handed = await tx.values(
            str,
            """SELECT subject FROM events
               WHERE workspace_id = %(id)s AND type = 'mailbox.credentials_handed_over' AND audience = 'audit'""",
            id=person.workspace_id,
        )
    assert sorted(handed) == sorted(mailbox["id"] for mailbox in mailboxes)


async def test_an_app_password_stays_the_same_for_one_platform_account(world: World):
    domain = await own_mailbox(world, "ada")
    email = f"ada@{domain}"
    await world.connect([{"email": email}], inbox_type="litemail")
    first = world.platform.inboxes.pop(email).imap.password
    await world.connect([{"email": email}], inbox_type="litemail")
    assert world.platform.inboxes[email].imap.password == first


async def test_mailboxes_that_are_not_ours_refuse_the_whole_call(world: World):
    domain = await own_mailbox(world, "ada")
    given = body([{"email": f"ada@{domain}"}, {"email": f"eve@{domain}"}, {"email": "x@example.com"}])
    answer = await world.call("POST", "/v1/connect-inbox", json={**given, "inbox_type": "litemail"})
    assert answer.status_code == 422
    assert [detail["field"] for detail in answer.json()["details"]] == ["inboxes[1].email", "inboxes[2].email"]
    assert (await world.call("GET", "/v1/connect-inbox")).json()["data"] == []
