"""Folder commands and drafts on disk: LIST, CREATE, RENAME, subscriptions, and what APPEND writes."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from pymap.parsing.message import AppendMessage

from litemail.servers.imap import maildir
from litemail.servers.imap.index import Draft
from litemail.servers.imap.uidlist import replace_file

_SUBSCRIPTIONS = "subscriptions"
_MOST_WILDCARDS = 32


async def listing(root: Path, pattern: str, *, subscribed: bool) -> list[tuple[str, list[bytes]]]:
    """Names that match a LIST or LSUB pattern, with their attributes (RFC 3501 6.3.8, RFC 6154)."""
    return await asyncio.to_thread(_listing, root, pattern, subscribed=subscribed)


def _listing(root: Path, pattern: str, *, subscribed: bool) -> list[tuple[str, list[bytes]]]:
    names = _subscribed(root) if subscribed else maildir.list_folders(root)
    there = set(names)
    shown = dict.fromkeys(names)
    for name in names:
        parts = name.split(maildir.DELIMITER)
        shown.update(dict.fromkeys(maildir.DELIMITER.join(parts[:depth]) for depth in range(1, len(parts))))
    parents = {name.rpartition(maildir.DELIMITER)[0] for name in shown}
    found: list[tuple[str, list[bytes]]] = []
    for name in sorted(shown, key=lambda name: (name != "INBOX", name)):
        if matches(pattern, name):
            attributes = [b"HasChildren" if name in parents else b"HasNoChildren"]
            if name not in there:
                attributes.insert(0, b"Noselect")
            elif name in maildir.SPECIAL_USE:
                attributes.append(maildir.SPECIAL_USE[name])
            found.append((name, attributes))
    return found


def matches(pattern: str, name: str) -> bool:
    """Whether a name matches a LIST pattern: `*` is anything, `%` anything but the delimiter.

    In time proportional to both lengths, whatever the pattern. INBOX matches in any case.
    """
    if name == "INBOX":
        pattern = pattern.upper()
    if pattern.count("*") + pattern.count("%") > _MOST_WILDCARDS:
        return False
    reached = {0}  # lengths of the name that the pattern so far can match
    for letter in pattern:
        if letter == "*":
            reached = set(range(min(reached, default=len(name) + 1), len(name) + 1))
        elif letter == "%":
            reached = _spread(reached, name)
        else:
            reached = {length + 1 for length in reached if name[length : length + 1] == letter}
    return len(name) in reached


def _spread(reached: set[int], name: str) -> set[int]:
    spread: set[int] = set()
    for start in sorted(reached):
        length = start
        while length not in spread:
            spread.add(length)
            if length == len(name) or name[length] == maildir.DELIMITER:
                break
            length += 1
    return spread


async def create(root: Path, name: str) -> bool:
    """Make a folder; False when it exists. Raises BadFolderName."""
    return await asyncio.to_thread(_create, root, name)


def _create(root: Path, name: str) -> bool:
    if maildir.exists(maildir.folder_path(root, name)):
        return False
    maildir.make_folder(root, name)
    return True


async def is_free(root: Path, name: str) -> bool:
    """Whether no folder has this name. Raises BadFolderName."""
    return not await asyncio.to_thread(maildir.exists, maildir.folder_path(root, name))


async def renames(root: Path, before: str, after: str) -> list[tuple[str, str]]:
    """The folder and all below it, with their new names."""
    before, after = maildir.canonical_name(before), maildir.canonical_name(after)
    names = await asyncio.to_thread(maildir.list_folders, root)
    inside = before + maildir.DELIMITER
    pairs = [(name, after + name.removeprefix(before)) for name in names if name == before or name.startswith(inside)]
    for _, name in pairs:
        maildir.canonical_name(name)
    return pairs


async def subscribe(root: Path, name: str, *, on: bool) -> None:
    """Subscribe to a name, which need not exist, or unsubscribe. Raises BadFolderName."""
    await asyncio.to_thread(_subscribe, root, maildir.canonical_name(name), on=on)


def _subscribe(root: Path, name: str, *, on: bool) -> None:
    with maildir.locked(root):
        names = [other for other in _subscribed(root) if other != name]
        if on:
            names.append(name)
        lines = [f"{maildir.encode_name(other)}\n" for other in names]
        replace_file(root / _SUBSCRIPTIONS, "".join(lines).encode("ascii"))


def _subscribed(root: Path) -> list[str]:
    try:
        lines = (root / _SUBSCRIPTIONS).read_text("ascii", "replace").splitlines()
    except FileNotFoundError:
        return ["INBOX", *maildir.SPECIAL_USE]
    names: list[str] = []
    for line in lines:
        try:
            names.append(maildir.canonical_name(maildir.decode_name(line)))
        except maildir.BadFolderName:
            continue
    return names


async def write_drafts(folder: Path, messages: Sequence[AppendMessage]) -> list[Draft]:
    """Put appended messages into `tmp`, byte for byte; all of them or none."""
    drafts: list[Draft] = []
    try:
        for message in messages:
            received = message.when.timestamp() if message.when else None
            path = await asyncio.to_thread(maildir.write_temporary, folder, message.literal, received=received)
            drafts.append(Draft(path.name, frozenset(str(flag) for flag in message.flag_set)))
    except OSError:
        await discard(folder, drafts)
        raise
    return drafts


async def discard(folder: Path, drafts: Sequence[Draft]) -> None:
    """Remove drafts that were not adopted."""
    await asyncio.to_thread(_discard, folder, drafts)


def _discard(folder: Path, drafts: Sequence[Draft]) -> None:
    for draft in drafts:
        (folder / "tmp" / draft.base).unlink(missing_ok=True)
