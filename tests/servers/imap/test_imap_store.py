"""Folders, flags and UIDs: what is kept, and that it is kept."""

import asyncio
import imaplib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.servers.imap.conftest import Imap

MESSAGE = b"Subject: %d\r\n\r\nbody\r\n"


def _uids(client: imaplib.IMAP4) -> list[int]:
    found = client.uid("SEARCH", "ALL")[1][0]
    assert isinstance(found, bytes)
    return [int(uid) for uid in found.split()]


def _validity(client: imaplib.IMAP4) -> int:
    return int(client.response("UIDVALIDITY")[1][0] or 0)


async def test_flags_and_keywords_survive_a_restart(server: "Imap") -> None:
    def before() -> None:
        for number in range(3):
            server.deliver(MESSAGE % number)
        with server.client() as client:
            client.store("1", "+FLAGS", r"(\Seen \Flagged $Forwarded)")
            client.store("2", "FLAGS", r"(\Answered NonJunk)")
            client.store("2", "+FLAGS.SILENT", r"(\Draft)")
            client.store("3", "+FLAGS", r"(\Seen)")
            client.store("3", "-FLAGS", r"(\Seen)")

    def after() -> None:
        with server.client() as client:
            assert client.fetch("1:3", "(FLAGS)")[1] == [
                rb"1 (FLAGS (\Flagged \Seen $Forwarded))",
                rb"2 (FLAGS (\Answered \Draft NonJunk))",
                b"3 (FLAGS ())",
            ]
            assert client.search(None, "KEYWORD", "nonjunk")[1] == [b"2"]
            assert b"NonJunk" in (client.response("FLAGS")[1][0] or b"")

    await asyncio.to_thread(before)
    await server.restart()
    await asyncio.to_thread(after)


async def test_uids_and_uidvalidity_survive_a_restart_and_uids_are_never_used_again(server: "Imap") -> None:
    def before() -> int:
        for number in range(4):
            server.deliver(MESSAGE % number)
        with server.client() as client:
            validity = _validity(client)
            assert _uids(client) == [1, 2, 3, 4]
            client.store("2,4", "+FLAGS", r"(\Deleted)")
            assert client.expunge()[1] == [b"4", b"2"]
            assert _uids(client) == [1, 3]
        return validity

    def after(validity: int) -> None:
        server.deliver(MESSAGE % 9)
        with server.client() as client:
            assert _validity(client) == validity
            assert _uids(client) == [1, 3, 5]
            assert client.status("INBOX", "(UIDNEXT)")[1] == [b"INBOX (UIDNEXT 6)"]

    validity = await asyncio.to_thread(before)
    await server.restart()
    await asyncio.to_thread(after, validity)


async def test_a_folder_made_again_has_a_greater_uidvalidity(server: "Imap") -> None:
    def check() -> None:
        with server.client() as client:
            seen = []
            for _ in range(3):
                assert client.create("Again")[0] == "OK"
                client.select("Again")
                seen.append(_validity(client))
                client.select("INBOX")
                assert client.delete("Again")[0] == "OK"
            assert seen == sorted(set(seen))

    await asyncio.to_thread(check)


async def test_messages_come_in_the_order_of_their_delivery(server: "Imap") -> None:
    def check() -> None:
        for number in range(20):
            server.deliver(MESSAGE % number)
        with server.client() as client:
            _, data = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            subjects = [item[1] for item in data if isinstance(item, tuple)]
            assert subjects == [b"Subject: %d\r\n\r\n" % number for number in range(20)]

    await asyncio.to_thread(check)


async def test_another_process_delivers_and_is_noticed(server: "Imap") -> None:
    code = "import sys, pathlib; from litemail.servers import imap; imap.deliver(pathlib.Path(sys.argv[1]), b'x')"

    def check() -> None:
        with server.client() as client:
            subprocess.run([sys.executable, "-c", code, str(server.root)], check=True, timeout=60)
            assert client.noop()[0] == "OK"
            assert client.response("EXISTS")[1][-1] == b"1"

    await asyncio.to_thread(check)


async def test_delivery_with_flags_and_into_another_folder(server: "Imap") -> None:
    def check() -> None:
        server.deliver(b"Subject: sent", folder="Sent", flags="S")
        server.deliver(b"Subject: new", folder="Made.By delivery")
        with server.client("Sent") as client:
            assert client.fetch("1", "(FLAGS)")[1] == [rb"1 (FLAGS (\Seen))"]
            assert client.select('"Made.By delivery"')[1] == [b"1"]

    await asyncio.to_thread(check)


async def test_special_use_folders_are_there_and_marked(server: "Imap") -> None:
    def check() -> None:
        with server.client(None) as client:
            assert client.list()[1] == [
                rb'(\HasNoChildren) "." INBOX',
                rb'(\HasNoChildren \Drafts) "." Drafts',
                rb'(\HasNoChildren \Junk) "." Junk',
                rb'(\HasNoChildren \Sent) "." Sent',
                rb'(\HasNoChildren \Trash) "." Trash',
            ]
            assert client.lsub()[1][0] == rb'(\HasNoChildren) "." INBOX'
            assert client.list('""', '""')[1] == [rb'(\Noselect) "." ""']
            assert client.list('""', "inb%")[1] == [rb'(\HasNoChildren) "." INBOX']
            assert client.namespace()[1] == [b'(("" ".")) NIL NIL']

    await asyncio.to_thread(check)


async def test_create_rename_delete_and_subscribe(server: "Imap") -> None:
    def names(client: imaplib.IMAP4, pattern: str) -> list[bytes]:
        return [line.rpartition(b'"." ')[2] for line in client.list('""', pattern)[1] if isinstance(line, bytes)]

    def check() -> None:
        with server.client() as client:
            assert client.create("Kunden.M&APw-ller.")[0] == "OK"
            assert client.create("Kunden.M&APw-ller")[1][0] == b"[ALREADYEXISTS] Mailbox already exists."
            assert client.list('""', "Kunden*")[1] == [
                rb'(\Noselect \HasChildren) "." Kunden',
                rb'(\HasNoChildren) "." Kunden.M&APw-ller',
            ]
            assert names(client, "%") == [b"INBOX", b"Drafts", b"Junk", b"Kunden", b"Sent", b"Trash"]
            client.append("Kunden.M&APw-ller", "", "", b"x")
            client.select("Kunden.M&APw-ller")
            assert client.rename("Kunden", "Alt")[0] == "OK"
            assert client.noop()[0] == "OK"
            assert client.fetch("1", "(RFC822.SIZE)")[1] == [b"1 (RFC822.SIZE 1)"]
            assert names(client, "Alt*") == [b"Alt", b"Alt.M&APw-ller"]
            assert client.rename("Alt.M&APw-ller", "Sent")[0] == "NO"
            client.select("INBOX")
            assert client.delete("Alt.M&APw-ller")[0] == "OK"
            assert client.delete("Alt.M&APw-ller")[1][0] == b"[NONEXISTENT] Mailbox does not exist."
            assert client.delete("INBOX")[0] == "NO"
            assert client.subscribe("News")[0] == "OK"
            assert client.unsubscribe("Trash")[0] == "OK"
            listed = [line.rpartition(b" ")[2] for line in client.lsub()[1] if isinstance(line, bytes)]
            assert listed == [b"INBOX", b"Drafts", b"Junk", b"News", b"Sent"]

    await asyncio.to_thread(check)


@pytest.mark.parametrize("name", ["../x", "a/b", ".x", "a..b", '"a*b"', '"a%b"', "x" * 300, "&AAA-"])
async def test_folder_names_that_could_harm_are_refused(server: "Imap", name: str) -> None:
    def check() -> None:
        with server.client() as client:
            try:
                answer = client.create(name)[0]
            except imaplib.IMAP4.error:
                answer = "BAD"
            assert answer in ("NO", "BAD")

    await asyncio.to_thread(check)
    assert sorted(path.name for path in server.root.parent.iterdir()) == [server.root.name]


async def test_renaming_inbox_moves_its_messages(server: "Imap") -> None:
    def check() -> None:
        server.deliver(b"Subject: 1")
        with server.client() as client:
            assert client.rename("INBOX", "Old")[0] == "OK"
            assert client.status("INBOX", "(MESSAGES)")[1] == [b"INBOX (MESSAGES 0)"]
            assert client.status("Old", "(MESSAGES)")[1] == [b"Old (MESSAGES 1)"]

    await asyncio.to_thread(check)


async def test_copy_and_move_keep_flags_and_date(server: "Imap") -> None:
    def check() -> None:
        with server.client() as client:
            date = '"17-Jul-1996 02:44:25 -0700"'
            answer = client.append("INBOX", r"(\Seen Work)", date, b"Subject: old\r\n\r\n")
            assert b"APPENDUID" in answer[1][0]
            validity = client.status("Trash", "(UIDVALIDITY)")[1][0].split()[-1].rstrip(b")")
            assert client.copy("1", "Trash")[1] == [b"[COPYUID %b 1 1] COPY completed." % validity]
            assert client.uid("MOVE", "1", "Trash")[0] == "OK"
            assert client.response("EXPUNGE")[1] == [b"1"]
            client.select("Trash", readonly=True)
            assert client.fetch("1:2", "(INTERNALDATE FLAGS)")[1] == [
                rb'%d (INTERNALDATE "17-Jul-1996 09:44:25 +0000" FLAGS (\Seen Work))' % number for number in (1, 2)
            ]
            assert client.copy("1", "Nowhere")[1] == [b"[TRYCREATE] Mailbox does not exist."]
            assert client.append("Nowhere", "", "", b"x")[1] == [b"[TRYCREATE] Mailbox does not exist."]

    await asyncio.to_thread(check)


async def test_examine_changes_nothing(server: "Imap") -> None:
    def check() -> None:
        server.deliver(MESSAGE % 1)
        with server.client(readonly=True) as client:
            assert client.fetch("1", "(BODY[])")[0] == "OK"
            assert client.fetch("1", "(FLAGS)")[1] == [b"1 (FLAGS ())"]
            assert client.store("1", "+FLAGS", r"(\Deleted)")[0] == "NO"
            assert client.expunge()[0] == "NO"
            assert client.close()[0] == "OK"
            assert client.status("INBOX", "(RECENT UNSEEN)")[1] == [b"INBOX (RECENT 1 UNSEEN 1)"]

    await asyncio.to_thread(check)


async def test_close_expunges_and_unselect_does_not(server: "Imap") -> None:
    def check() -> None:
        server.deliver(MESSAGE % 1)
        with server.client() as client:
            client.store("1", "+FLAGS", r"(\Deleted)")
            client.unselect()
            client.select()
            assert client.search(None, "DELETED")[1] == [b"1"]
            client.close()
            assert client.select()[1] == [b"0"]

    await asyncio.to_thread(check)


async def test_uid_expunge_removes_only_what_is_named(server: "Imap") -> None:
    def check() -> None:
        for number in range(3):
            server.deliver(MESSAGE % number)
        with server.client() as client:
            client.store("1:3", "+FLAGS", r"(\Deleted)")
            client.uid("EXPUNGE", "2")
            assert _uids(client) == [1, 3]

    await asyncio.to_thread(check)


async def test_the_twenty_seventh_keyword_is_refused(server: "Imap") -> None:
    def check() -> None:
        server.deliver(MESSAGE % 1)
        with server.client() as client:
            for number in range(26):
                assert client.store("1", "+FLAGS", f"(k{number})")[0] == "OK"
            assert client.store("1", "+FLAGS", "(onemore)")[0] == "NO"
            assert client.store("1", "-FLAGS", "(onemore k0)")[0] == "OK"
            assert client.store("1", "+FLAGS", "(K1)")[0] == "OK"
            assert client.search(None, "KEYWORD", "k25")[1] == [b"1"]

    await asyncio.to_thread(check)


async def test_idle_folders_are_forgotten(server: "Imap", monkeypatch: pytest.MonkeyPatch) -> None:
    # The bound is a constant of the module; a smaller one makes the test quick.
    monkeypatch.setattr("litemail.servers.imap.store._MOST_FOLDERS", 2)

    def check() -> None:
        with server.client(None) as client:
            for folder in ("Drafts", "Junk", "Sent", "Trash", "INBOX"):
                client.select(folder)

    await asyncio.to_thread(check)
    assert server.store.in_memory <= 3
