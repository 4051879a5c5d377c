"""Maildir++ on disk: names, delivery, the lock, UID lists of others."""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemail.servers.imap import folders, maildir
from litemail.servers.imap.flags import Change
from litemail.servers.imap.index import Index


def test_a_delivered_file_has_its_sizes_in_its_name_and_nothing_else_is_left(tmp_path: Path) -> None:
    root = tmp_path / "box"
    name = maildir.deliver(root, b"one\ntwo\r\n")
    assert ",S=9,W=10" in name
    path = root / "new" / name
    assert path.read_bytes() == b"one\ntwo\r\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list((root / "tmp").iterdir()) == []
    assert sorted(maildir.list_folders(root)) == ["Drafts", "INBOX", "Junk", "Sent", "Trash"]


def test_a_failed_delivery_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    maildir.create(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    # A full disk cannot be had in a test; fsync is where it would show.
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        maildir.deliver(tmp_path, b"x")
    monkeypatch.undo()
    assert list((tmp_path / "tmp").iterdir()) == []
    assert list((tmp_path / "new").iterdir()) == []


@given(st.text(max_size=30))
def test_folder_names_survive_modified_utf_7(name: str) -> None:
    try:
        encoded = maildir.encode_name(name)
    except maildir.BadFolderName:
        return
    assert encoded.isascii()
    assert maildir.decode_name(encoded) == name


@pytest.mark.parametrize("encoded", ["&", "a&b", "&AAA", "&A-", "é", "&~-", "a\nb"])
def test_wrong_modified_utf_7_is_refused(encoded: str) -> None:
    with pytest.raises(maildir.BadFolderName):
        maildir.decode_name(encoded)


@given(st.text(max_size=40))
def test_no_folder_name_leaves_the_root(name: str) -> None:
    root = Path("/mail/box")
    try:
        path = maildir.folder_path(root, name)
    except maildir.BadFolderName:
        return
    assert path == root or (path.parent == root and path.name not in (".", ".."))


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*", "A.B", True),
        ("%", "A", True),
        ("%", "A.B", False),
        ("%.%", "A.B", True),
        ("A*", "A.B", True),
        ("*B", "A.B", True),
        ("A%", "AB.C", False),
        ("inbox", "INBOX", True),
        ("sent", "Sent", False),
        ("", "A", False),
        ("*a*a*a*a*a*a*a*a*b", "a" * 190, False),
    ],
)
def test_list_patterns(pattern: str, name: str, *, matches: bool) -> None:
    assert folders.matches(pattern, name) is matches


def test_the_lock_is_exclusive_between_holders(tmp_path: Path) -> None:
    maildir.create(tmp_path)
    with maildir.locked(tmp_path), pytest.raises(maildir.FolderBusy), maildir.locked(tmp_path, patience=0.05):
        pass
    with maildir.locked(tmp_path, patience=0.05) as lock:
        assert lock.raise_generation() == maildir.generation(tmp_path)


def test_a_uid_list_written_by_dovecot_is_taken_over(tmp_path: Path) -> None:
    maildir.create(tmp_path)
    (tmp_path / "dovecot-uidlist").write_text(
        "3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n"
        "25006 :1276528487.M364837P9451.kurkku,S=1355,W=1394:2,\n"
        "25017 W2481 :1276533073.M242911P3632.kurkku:2,F\n"
        "25020 :gone\n"
    )
    (tmp_path / "dovecot-keywords").write_text("0 $Forwarded\n1 NonJunk\n")
    (tmp_path / "cur" / "1276528487.M364837P9451.kurkku,S=1355,W=1394:2,Sb").write_bytes(b"x")
    (tmp_path / "cur" / "1276533073.M242911P3632.kurkku:2,FP").write_bytes(b"y")
    (tmp_path / "new" / "1276533074.M1P1.kurkku").write_bytes(b"z")
    index = Index(tmp_path, tmp_path)
    index.refresh()
    assert index.uids.uid_validity == 1275660208
    assert list(index.entries) == [25006, 25017, 25022]
    assert index.flags(index.entries[25006]) == {"\\Seen", "NonJunk"}
    index.store([25017], Change.REPLACE, frozenset({"\\Seen"}))
    assert (tmp_path / "cur" / "1276533073.M242911P3632.kurkku:2,PS").exists()
    assert "25022 :1276533074.M1P1.kurkku\n" in (tmp_path / "dovecot-uidlist").read_text()


def test_a_torn_uid_list_is_mended(tmp_path: Path) -> None:
    names = [maildir.deliver(tmp_path, b"%d" % number) for number in range(3)]
    first = Index(tmp_path, tmp_path)
    first.refresh()
    path = tmp_path / "dovecot-uidlist"
    path.write_bytes(path.read_bytes()[:-7])
    second = Index(tmp_path, tmp_path)
    second.refresh()
    assert [entry.base for entry in second.entries.values()] == names
    third = Index(tmp_path, tmp_path)
    third.refresh()
    assert list(third.entries) == list(second.entries) == [1, 2, 3]


def test_a_ruined_uid_list_gets_a_greater_uidvalidity(tmp_path: Path) -> None:
    maildir.deliver(tmp_path, b"x")
    first = Index(tmp_path, tmp_path)
    first.refresh()
    (tmp_path / "dovecot-uidlist").write_bytes(b"\0\0\0")
    second = Index(tmp_path, tmp_path)
    second.refresh()
    assert second.uids.uid_validity > first.uids.uid_validity
    with pytest.raises(maildir.FolderGone):
        first.expunge([1])
    assert len(second.entries) == 1


def test_the_uid_list_is_compacted_and_uidnext_stays(tmp_path: Path) -> None:
    for number in range(300):
        maildir.deliver(tmp_path, b"%d" % number)
    index = Index(tmp_path, tmp_path)
    index.refresh()
    index.expunge(list(index.entries))
    maildir.deliver(tmp_path, b"last")
    again = Index(tmp_path, tmp_path)
    again.refresh()
    assert list(again.entries) == [301]
    assert len((tmp_path / "dovecot-uidlist").read_text().splitlines()) == 2


def test_indexes_that_share_only_the_disk_give_every_message_one_uid(tmp_path: Path) -> None:
    maildir.create(tmp_path)
    indexes = [Index(tmp_path, tmp_path) for _ in range(3)]

    def work(index: Index) -> None:
        for number in range(20):
            maildir.deliver(tmp_path, b"%d" % number)
            index.refresh()
            if number % 5 == 0:
                index.claim()
                index.store(list(index.entries), Change.ADD, frozenset({"\\Seen"}))

    threads = [threading.Thread(target=work, args=(index,)) for index in indexes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    known = []
    for index in indexes:
        index.refresh()
        known.append({uid: entry.base for uid, entry in index.entries.items()})
    assert known[0] == known[1] == known[2]
    assert list(known[0]) == list(range(1, 61))


def test_what_crashed_writers_left_is_removed_after_36_hours(tmp_path: Path) -> None:
    maildir.create(tmp_path)
    old, young = tmp_path / "tmp" / "old", tmp_path / "tmp" / "young"
    for path in (old, young):
        path.write_bytes(b"x")
    os.utime(old, (1, 1))
    maildir.clean_temporary(tmp_path)
    assert not old.exists()
    assert young.exists()
