"""Exports into files: what stands in them, who may have them, and that their passwords work until they are revoked."""

import csv
import io
from typing import Any

import httpx
import openpyxl
import pytest

from litemail import mailboxes as mailboxes_slice
from litemail.exports.layouts import LAYOUTS
from litemail.kit.db import Database
from litemail.kit.secrets import Secrets
from litemail.servers.sign_in import SignIns
from tests.conftest import NewPerson
from tests.exports.world import World

HEADERS = {
    "instantly": "Email,First Name,Last Name,IMAP Username,IMAP Password,IMAP Host,IMAP Port,SMTP Username,"
    "SMTP Password,SMTP Host,SMTP Port,Daily Limit,Warmup Enabled,Warmup Limit,Warmup Increment",
    "smartlead": "from_name,from_email,user_name,password,smtp_host,smtp_port,imap_host,imap_port,max_email_per_day",
    "emailbison": "Name,Email,Password,IMAP Server,IMAP Port,SMTP Server,SMTP Port,Daily Limit,SMTP Secure,IMAP Secure",
    "woodpecker": "SMTP email,SMTP login,SMTP password,SMTP server,SMTP port,SMTP from name,IMAP email,IMAP password,"
    "IMAP server,IMAP port",
    "reply_io": "Email,First Name,Last Name,SMTP Host,SMTP Port,SMTP Login,SMTP Password,IMAP Host,IMAP Port,"
    "IMAP Login,IMAP Password",
    "lemlist": "email,firstName,lastName,smtpUsername,smtpPassword,smtpHost,smtpPort,imapUsername,imapPassword,"
    "imapHost,imapPort",
    "brandjet": "email,password,smtpHost,smtpPort,smtpTls,imapHost,imapPort,imapTls,fromName,dailyLimit,warmupEnabled",
    "generic": "from_name,from_email,smtp_host,smtp_port,smtp_username,smtp_password,imap_host,imap_port,"
    "imap_username,imap_password",
}
PASSWORD_COLUMNS = {
    "instantly": "IMAP Password",
    "smartlead": "password",
    "emailbison": "Password",
    "woodpecker": "SMTP password",
    "reply_io": "IMAP Password",
    "lemlist": "imapPassword",
    "brandjet": "password",
    "generic": "imap_password",
}
EMAIL_COLUMNS = {
    "instantly": "Email",
    "smartlead": "from_email",
    "emailbison": "Email",
    "woodpecker": "IMAP email",
    "reply_io": "IMAP Login",
    "lemlist": "email",
    "brandjet": "email",
    "generic": "imap_username",
}


@pytest.mark.parametrize("layout", HEADERS)
async def test_each_layout_has_its_columns_and_passwords_that_sign_in(
    world: World, database: Database, secrets: Secrets, layout: str
):
    mailboxes = await world.mailboxes("ada", "bob")
    done = await world.export("csv", layout=layout, options={"daily_limit": 30, "warmup": True})
    assert (done["status"], done["layout"], done["succeeded"]) == ("completed", layout, 2)
    text = (await world.call("GET", f"/v1/exports/{done['id']}/file")).text
    assert text.split("\r\n")[0] == HEADERS[layout]
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row[EMAIL_COLUMNS[layout]] for row in rows] == [mailbox["email"] for mailbox in mailboxes]
    sign_ins = SignIns(database, secrets)
    for row in rows:
        assert await sign_ins.check(row[EMAIL_COLUMNS[layout]], row[PASSWORD_COLUMNS[layout]]) is not None
    assert "127.0.0.1" in rows[0].values()
    assert {"8993", "8587"} <= set(rows[0].values())


def test_every_layout_is_tried():
    assert set(LAYOUTS) == set(HEADERS)


async def test_instantly_gets_limit_and_warmup_in_its_own_words(world: World):
    await world.mailboxes("ada")
    done = await world.export("csv", layout="instantly", options={"daily_limit": 30, "warmup": True})
    (row,) = await world.rows(done["id"])
    assert (row["Daily Limit"], row["Warmup Enabled"], row["First Name"]) == ("30", "TRUE", "Ada")
    (row,) = await world.rows((await world.export("csv", layout="instantly"))["id"])
    assert (row["Daily Limit"], row["Warmup Enabled"]) == ("", "FALSE")


@pytest.mark.parametrize("name", ["snov", "apollo", "reachinbox"])
async def test_platforms_whose_columns_are_not_known_get_the_generic_layout_and_hear_so(world: World, name: str):
    await world.mailboxes("ada")
    assert (await world.begin("csv", layout=name))["layout"] == "generic"
    as_destination = await world.begin(name)
    assert (as_destination["destination"], as_destination["layout"]) == (name, "generic")


async def test_a_platform_by_file_gets_its_own_layout(world: World):
    await world.mailboxes("ada")
    assert (await world.export("reply_io"))["layout"] == "reply_io"


async def test_names_that_look_like_formulas_are_made_harmless_and_logins_are_not_touched(world: World):
    formula = '=HYPERLINK("http://evil.test","x")'
    (mailbox,) = await world.mailboxes("+ada", first_name=formula, last_name="@you", display_name="-1+1")
    (row,) = await world.rows((await world.export("csv", layout="instantly"))["id"])
    assert (row["First Name"], row["Last Name"]) == (f"'{formula}", "'@you")
    assert row["Email"] == mailbox["email"]
    assert row["Email"].startswith("+ada@")
    (row,) = await world.rows((await world.export("csv"))["id"])
    assert row["from_name"] == "'-1+1"


async def test_an_xlsx_has_the_same_cells_as_texts(world: World):
    await world.mailboxes("ada", first_name="=1+1")
    done = await world.export("xlsx", layout="instantly")
    answer = await world.call("GET", f"/v1/exports/{done['id']}/file")
    assert answer.headers["content-type"].startswith("application/vnd.openxmlformats")
    assert answer.headers["content-disposition"] == f'attachment; filename="{done["id"]}.xlsx"'
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
    assert sheet is not None
    head, row = [list(line) for line in sheet.iter_rows(values_only=True)]
    assert ",".join(map(str, head)) == HEADERS["instantly"]
    assert (row[1], row[6]) == ("=1+1", "8993")


async def test_each_file_has_passwords_of_its_own_which_are_revoked_together(
    world: World, database: Database, secrets: Secrets
):
    (mailbox,) = await world.mailboxes("ada")
    first, second = await world.export(), await world.export()
    passwords = [(await world.rows(done["id"]))[0]["imap_password"] for done in (first, second)]
    assert passwords[0] != passwords[1]
    revoked = await world.call("DELETE", f"/v1/exports/{first['id']}")
    assert (revoked.status_code, revoked.json()["status"]) == (200, "completed")
    assert revoked.json()["revoked_at"]
    again = await world.call("DELETE", f"/v1/exports/{first['id']}")
    assert (again.status_code, again.json()["revoked_at"]) == (200, revoked.json()["revoked_at"])
    sign_ins = SignIns(database, secrets)
    assert await sign_ins.check(mailbox["email"], passwords[0]) is None
    assert await sign_ins.check(mailbox["email"], passwords[1]) is not None
    gone = await world.call("GET", f"/v1/exports/{first['id']}/file")
    assert (gone.status_code, gone.json()["code"]) == (410, "export.revoked")


async def test_cancelling_while_the_file_is_made_leaves_no_password(world: World, monkeypatch: pytest.MonkeyPatch):
    """Patches the making of a step, to be cancelled in its middle."""
    (mailbox,) = await world.mailboxes("ada")
    begun = await world.begin()
    hand = mailboxes_slice.hand_to_export

    async def cancel_meanwhile(*given: Any, **more: Any) -> None:
        await hand(*given, **more)
        answer = await world.call("DELETE", f"/v1/exports/{begun['id']}")
        assert answer.status_code == 200, answer.text

    monkeypatch.setattr(mailboxes_slice, "hand_to_export", cancel_meanwhile)
    await world.run(begun["id"])
    shown = await world.show(begun["id"])
    assert (shown["status"], shown["cancelled"], shown["succeeded"]) == ("cancelled", 1, 0)
    assert (await world.call("GET", f"/v1/mailboxes/{mailbox['id']}/app-passwords")).json()["data"] == []


async def test_what_is_handed_out_is_in_the_audit_log_by_mailbox(world: World, database: Database):
    mailboxes = await world.mailboxes("ada", "bob")
    done = await world.export()
    for mailbox in mailboxes:
        (line,) = await world.audited(mailbox["id"])
        assert line == {"export_id": done["id"], "user_id": world.person.user_id}
    await world.rows(done["id"])
    async with database.begin_system("test") as tx:
        read = await tx.values(
            str, "SELECT user_id FROM events WHERE subject = %(id)s AND type = 'export.file_read'", id=done["id"]
        )
    assert read == [world.person.user_id]


async def test_mailboxes_removed_since_are_not_in_the_file_any_more(world: World):
    mailboxes = await world.mailboxes("ada", "bob")
    done = await world.export()
    await world.call("DELETE", f"/v1/mailboxes/{mailboxes[0]['id']}?at=now")
    assert [row["from_email"] for row in await world.rows(done["id"])] == [mailboxes[1]["email"]]


async def test_a_file_of_many_pages_is_whole(world: World, monkeypatch: pytest.MonkeyPatch):
    """Patches sizes only: pages of thousands would make the test slow."""
    monkeypatch.setattr("litemail.exports.files._PAGE", 2)
    monkeypatch.setattr("litemail.exports.run._IN_FILE", 2)
    mailboxes = await world.mailboxes("ada", "bob", "cleo", "dan", "eve")
    for gone in mailboxes[:2]:
        done = await world.export()
        await world.call("DELETE", f"/v1/mailboxes/{gone['id']}?at=now")
        assert len(await world.rows(done["id"])) == len(await world.items(done["id"])) - 1


async def test_no_file_before_the_end_of_a_platform_or_for_others(
    world: World, client: httpx.AsyncClient, new_person: NewPerson
):
    await world.mailboxes("ada")
    begun = await world.begin()
    path = f"/v1/exports/{begun['id']}/file"
    early = await world.call("GET", path)
    assert (early.status_code, early.json()["code"], early.json()["retryable"]) == (409, "export.not_finished", True)
    await world.run(begun["id"])
    stranger = await new_person()
    foreign = await client.get(path, headers=stranger.headers)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "export.not_found")
    to_platform = await world.export("instantly", platform_account_id=await world.account())
    none = await world.call("GET", f"/v1/exports/{to_platform['id']}/file")
    assert (none.status_code, none.json()["code"]) == (409, "export.no_file")
