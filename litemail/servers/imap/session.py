"""One signed-in session: the engine's mailbox interface over our store (RFC 3501 6.3 and 6.4)."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress

import msgspec
from pymap.concurrent import Event
from pymap.exceptions import MailboxConflict, MailboxNotFound, MailboxReadOnly
from pymap.flags import FlagOp, SessionFlags
from pymap.mailbox import MailboxSnapshot
from pymap.parsing.message import AppendMessage
from pymap.parsing.response.code import AppendUid, CopyUid
from pymap.parsing.specials import Flag, ObjectId, SearchKey, SequenceSet
from pymap.parsing.specials.flag import Recent, Wildcard

from litemail.kit.errors import Error
from litemail.servers.imap import folders, maildir
from litemail.servers.imap.account import Account
from litemail.servers.imap.fetch import Wanted
from litemail.servers.imap.flags import SYSTEM_FLAGS, Change
from litemail.servers.imap.index import Snapshot
from litemail.servers.imap.search import compile_keys, search
from litemail.servers.imap.selected import Selected, flag_objects
from litemail.servers.imap.store import Folder, Store

_CHANGES = {FlagOp.ADD: Change.ADD, FlagOp.DELETE: Change.REMOVE, FlagOp.REPLACE: Change.REPLACE}


class Known(msgspec.Struct, frozen=True):
    """A message as an answer to STORE and SEARCH names it."""

    uid: int
    flags: frozenset[Flag] = frozenset()
    expunged: bool = False

    def get_flags(self, session_flags: SessionFlags) -> frozenset[Flag]:
        return self.flags | session_flags.get(self.uid)


class _Status(MailboxSnapshot):
    """A snapshot whose FLAGS do not list what only PERMANENTFLAGS may."""

    @property
    def flags(self) -> frozenset[Flag]:
        return self.permanent_flags - {Wildcard, Recent}


class Session:
    """What one client may do with the mailbox it signed in to."""

    def __init__(self, store: Store, account: Account) -> None:
        self.store = store
        self.root = account.folder
        self.owner = account.mailbox_id

    async def cleanup(self) -> None:
        """Asked for by the engine after every command; there is nothing to clean up."""

    # Folders

    async def _folder(self, name: str, *, try_create: bool = False) -> Folder:
        try:
            folder = self.store.folder(self.root, name)
        except maildir.BadFolderName:
            raise MailboxNotFound(name) from None
        await folder.refresh()
        if folder.index.gone:
            raise MailboxNotFound(name, try_create=try_create)
        return folder

    async def list_mailboxes(
        self, ref_name: str, filter_: str, *, subscribed: bool = False, selected: Selected | None = None
    ) -> tuple[Sequence[tuple[str, str, Sequence[bytes]]], Selected | None]:
        if not filter_:
            return [("", maildir.DELIMITER, [b"Noselect"])], await self._update(selected)
        listed = await folders.listing(self.root, ref_name + filter_, subscribed=subscribed)
        found = [(name, maildir.DELIMITER, attributes) for name, attributes in listed]
        return found, await self._update(selected)

    async def get_mailbox(self, name: str, selected: Selected | None = None) -> tuple[MailboxSnapshot, Selected | None]:
        folder = await self._folder(name)
        snapshot = await folder.run(folder.index.snapshot)
        return _status(folder, snapshot, readonly=False), await self._update(selected)

    async def create_mailbox(self, name: str, selected: Selected | None = None) -> tuple[ObjectId, Selected | None]:
        if not await folders.create(self.root, name):
            raise MailboxConflict(name)
        folder = await self._folder(name)
        return _mailbox_id(folder), await self._update(selected)

    async def delete_mailbox(self, name: str, selected: Selected | None = None) -> Selected | None:
        await self._folder(name)
        await self.store.remove(self.root, name)
        return await self._update(selected)

    async def rename_mailbox(
        self, before_name: str, after_name: str, selected: Selected | None = None
    ) -> Selected | None:
        pairs = await folders.renames(self.root, before_name, after_name)
        if not pairs:
            raise MailboxNotFound(before_name)
        for _, after in pairs:
            if not await folders.is_free(self.root, after):
                raise MailboxConflict(after)
        if before_name == "INBOX":  # RFC 3501 6.3.5: its messages move, INBOX stays
            await folders.create(self.root, after_name)
            source, target = await self._folder("INBOX"), await self._folder(after_name)
            await self._copy(source, list(source.index.entries), target, move=True)
        else:
            for before, after in pairs:
                await self.store.rename(self.root, before, after)
        return await self._update(selected)

    async def subscribe(self, name: str, selected: Selected | None = None) -> Selected | None:
        await folders.subscribe(self.root, name, on=True)
        return await self._update(selected)

    async def unsubscribe(self, name: str, selected: Selected | None = None) -> Selected | None:
        await folders.subscribe(self.root, name, on=False)
        return await self._update(selected)

    # Messages

    async def append_messages(
        self, name: str, messages: Sequence[AppendMessage], selected: Selected | None = None
    ) -> tuple[AppendUid, Selected | None]:
        folder = await self._folder(name, try_create=True)
        drafts = await folders.write_drafts(folder.path, messages)
        try:
            uids = await folder.run(folder.index.adopt, drafts)
        except (Error, OSError):
            await folders.discard(folder.path, drafts)
            raise
        return AppendUid(folder.index.uids.uid_validity, uids), await self._update(selected)

    async def select_mailbox(self, name: str, readonly: bool = False) -> tuple[MailboxSnapshot, Selected]:
        folder = await self._folder(name)
        selected = Selected(folder, name=name, readonly=readonly)
        await self._claim(selected)
        snapshot = await folder.run(folder.index.snapshot)
        selected.settle(snapshot)
        return _status(folder, snapshot, readonly=readonly), selected

    async def check_mailbox(
        self, selected: Selected, *, wait_on: Event | None = None, housekeeping: bool = False
    ) -> Selected:
        if wait_on is not None:
            if selected.told_gone:
                await wait_on.wait()
            while not selected.is_behind and not wait_on.is_set():
                await self.store.wait(selected.folder, wait_on)
        if housekeeping:
            with suppress(FileNotFoundError):
                await selected.folder.run(maildir.clean_temporary, selected.folder.path)
        await self._update(selected)
        return selected

    async def _update(self, selected: Selected | None) -> Selected | None:
        if selected is not None:
            await selected.folder.refresh()
            await self._claim(selected)
        return selected

    async def _claim(self, selected: Selected) -> None:
        r"""\Recent goes to the first session that may change the folder (RFC 3501 2.3.2)."""
        index = selected.index
        if index.unclaimed and not selected.readonly and not index.gone:
            selected.add_recent(await selected.folder.run(index.claim))

    def wanted(self, selected: Selected, uids: Iterable[tuple[int, int]]) -> list[Wanted]:
        recent = selected.session_flags.recent_uids
        return [Wanted(number, uid, uid in recent) for number, uid in uids]

    async def prepare_fetch(self, selected: Selected, sequence_set: SequenceSet, *, seen: bool) -> list[Wanted]:
        """The messages of a FETCH, first marked seen when it asks for contents without PEEK."""
        await self._update(selected)
        found = selected.view.get_uids(sequence_set)
        if seen and not selected.readonly:
            entries = selected.index.entries
            unseen = [uid for _, uid in found if uid in entries and "S" not in entries[uid].letters]
            if unseen:
                await selected.folder.run(selected.index.store, unseen, Change.ADD, frozenset({"\\Seen"}))
        return self.wanted(selected, found)

    async def search_mailbox(
        self, selected: Selected, keys: frozenset[SearchKey]
    ) -> tuple[Sequence[tuple[int, Known]], Selected]:
        await self._update(selected)
        view = selected.view
        test = compile_keys(keys, lambda seq_set: frozenset(uid for _, uid in view.get_uids(seq_set)))
        everything = self.wanted(selected, enumerate(view.numbered, 1))
        matching = await asyncio.to_thread(search, selected.index, everything, test)
        return [(item.number, Known(item.uid)) for item in matching], selected

    async def expunge_mailbox(self, selected: Selected, uid_set: SequenceSet | None = None) -> Selected:
        if selected.readonly:
            raise MailboxReadOnly
        await self._update(selected)
        chosen = selected.view.get_uids(uid_set or SequenceSet.all(uid=True))
        entries = selected.index.entries
        deleted = [uid for _, uid in chosen if uid in entries and "T" in entries[uid].letters]
        if deleted:
            await selected.folder.run(selected.index.expunge, deleted)
        return selected

    async def copy_messages(
        self, selected: Selected, sequence_set: SequenceSet, mailbox: str
    ) -> tuple[CopyUid | None, Selected]:
        return await self._copy_selected(selected, sequence_set, mailbox, move=False)

    async def move_messages(
        self, selected: Selected, sequence_set: SequenceSet, mailbox: str
    ) -> tuple[CopyUid | None, Selected]:
        if selected.readonly:
            raise MailboxReadOnly
        return await self._copy_selected(selected, sequence_set, mailbox, move=True)

    async def _copy_selected(
        self, selected: Selected, sequence_set: SequenceSet, mailbox: str, *, move: bool
    ) -> tuple[CopyUid | None, Selected]:
        target = await self._folder(mailbox, try_create=True)
        await self._update(selected)
        uids = [uid for _, uid in selected.view.get_uids(sequence_set)]
        pairs = await self._copy(selected.folder, uids, target, move=move)
        await self._update(selected)
        return (CopyUid(target.index.uids.uid_validity, pairs) if pairs else None), selected

    async def _copy(self, source: Folder, uids: list[int], target: Folder, *, move: bool) -> list[tuple[int, int]]:
        """Copy, all or none; a move removes the originals once the copies are on disk (RFC 6851 3.3)."""
        copies = await source.run(source.index.link_out, uids, target.path)
        drafts = [draft for _, draft in copies]
        try:
            adopted = await target.run(target.index.adopt, drafts) if drafts else []
        except (Error, OSError):
            await folders.discard(target.path, drafts)
            raise
        if move and copies:
            await source.run(source.index.expunge, [uid for uid, _ in copies])
        return [(uid, new) for (uid, _), new in zip(copies, adopted, strict=True)]

    async def update_flags(
        self, selected: Selected, sequence_set: SequenceSet, flag_set: frozenset[Flag], mode: FlagOp
    ) -> tuple[Sequence[tuple[int, Known]], Selected]:
        if selected.readonly:
            raise MailboxReadOnly
        await self._update(selected)
        found = selected.view.get_uids(sequence_set)
        index = selected.index
        flags = frozenset(str(flag) for flag in flag_set)
        await selected.folder.run(index.store, [uid for _, uid in found], _CHANGES[mode], flags)
        selected.stored(uid for _, uid in found)
        objects: dict[frozenset[str], frozenset[Flag]] = {}
        answers: list[tuple[int, Known]] = []
        for number, uid in found:
            entry = index.entries.get(uid)
            if entry is None:
                answers.append((number, Known(uid, expunged=True)))
                continue
            names = index.flags(entry)
            answers.append((number, Known(uid, objects.setdefault(names, flag_objects(names)))))
        return answers, selected


def _mailbox_id(folder: Folder) -> ObjectId:
    return ObjectId(b"F" + folder.index.uids.guid.encode("ascii"))


def _status(folder: Folder, snapshot: Snapshot, *, readonly: bool) -> MailboxSnapshot:
    flags = flag_objects([*SYSTEM_FLAGS.values(), *snapshot.keywords])
    return _Status(
        mailbox_id=_mailbox_id(folder),
        readonly=readonly,
        uid_validity=snapshot.uid_validity,
        permanent_flags=flags | {Wildcard},
        session_flags=frozenset(),
        exists=len(snapshot.uids),
        recent=snapshot.recent,
        unseen=snapshot.unseen,
        first_unseen=snapshot.first_unseen,
        next_uid=snapshot.uid_next,
    )
