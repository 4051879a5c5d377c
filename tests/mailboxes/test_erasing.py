"""What becomes of a removed mailbox once nobody can restore it: its passwords and its mail are erased."""

from pathlib import Path

import pytest

from litemail import workspaces
from litemail.kit.calendar import parse_duration
from litemail.kit.db import Database
from litemail.mailboxes import jobs
from litemail.servers.erasing import erase
from litemail.servers.sign_in import mail_folder
from tests.mailboxes.conftest import Owner


class Post:
    """The mail of a server, and the day on which it looks what to erase."""

    def __init__(self, database: Database, root: Path) -> None:
        self._database = database
        self.root = root

    def deliver(self, mailbox_id: str) -> Path:
        message = mail_folder(self.root, mailbox_id) / "new" / "1.eml"
        message.parent.mkdir(parents=True)
        message.write_text("Subject: hello\r\n\r\n")
        return message

    async def clean(self) -> None:
        await jobs.erase_removed(database=self._database)
        await erase(self._database, self.root)


@pytest.fixture
def post(database: Database, tmp_path: Path) -> Post:
    return Post(database, tmp_path)


async def days_pass(database: Database, owner: Owner, duration: str) -> None:
    async with database.begin_system("test") as tx:
        goal = await workspaces.set_clock_goal(tx, owner.person.workspace_id, parse_duration(duration))
        await workspaces.move_clock(tx, owner.person.workspace_id, to=goal)


async def secrets_left(database: Database, mailbox_id: str) -> tuple[int, int]:
    """The length of its sealed password, and how many app passwords it has."""
    async with database.begin_system("test") as tx:
        sealed = await tx.value(int, "SELECT length(password_sealed) FROM mailboxes WHERE id = %(id)s", id=mailbox_id)
        apps = await tx.value(int, "SELECT count(*) FROM app_passwords WHERE mailbox_id = %(id)s", id=mailbox_id)
    assert sealed is not None
    assert apps is not None
    return sealed, apps


async def test_a_removed_mailbox_keeps_all_for_30_days_and_nothing_longer(
    owner: Owner, database: Database, post: Post
) -> None:
    gone, stays = await owner.create("ada"), await owner.create("bob")
    for made in (gone, stays):
        await owner.call("POST", f"/v1/mailboxes/{made['id']}/app-passwords", json={"label": "phone"})
    messages = {made["id"]: post.deliver(made["id"]) for made in (gone, stays)}
    await owner.call("DELETE", f"/v1/mailboxes/{gone['id']}?at=now")
    await days_pass(database, owner, "P29D")
    await post.clean()
    assert messages[gone["id"]].exists()
    assert (await secrets_left(database, gone["id"]))[1] == 1
    await days_pass(database, owner, "P2D")
    await post.clean()
    assert await secrets_left(database, gone["id"]) == (0, 0)
    assert not mail_folder(post.root, gone["id"]).exists()
    assert messages[stays["id"]].exists()
    assert (await secrets_left(database, stays["id"]))[1] == 1
    late = await owner.call("POST", f"/v1/mailboxes/{gone['id']}/restore")
    assert (late.status_code, late.json()["code"]) == (410, "mailbox.removed_too_long_ago")


async def test_what_is_restored_in_time_is_kept_for_good(owner: Owner, database: Database, post: Post) -> None:
    made = await owner.create("ada")
    message = post.deliver(made["id"])
    await owner.call("DELETE", f"/v1/mailboxes/{made['id']}?at=now")
    assert (await owner.call("POST", f"/v1/mailboxes/{made['id']}/restore")).status_code == 200
    await days_pass(database, owner, "P31D")
    await post.clean()
    assert message.exists()
    assert (await owner.call("GET", f"/v1/mailboxes/{made['id']}/credentials")).status_code == 200


async def test_folders_of_nobody_are_left_alone(post: Post) -> None:
    stray = post.deliver("mbx_00000000000000000000000000")
    (post.root / "note.txt").write_text("not a mailbox")
    await post.clean()
    assert stray.exists()
