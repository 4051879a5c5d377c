"""Folders in memory: one index for each folder that is in use, shared by all its sessions, and the news of changes.

File work runs in threads, one call at a time for each folder. What nobody uses is forgotten again.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar
from weakref import WeakValueDictionary

from pymap.concurrent import Event

from litemail.kit.errors import Error
from litemail.servers.imap import maildir
from litemail.servers.imap.index import Index

_P = ParamSpec("_P")
_T = TypeVar("_T")

POLL_SECONDS = 0.5
_IDLE_SECONDS = 300.0
_MOST_FOLDERS = 256
_MOST_MESSAGES = 500_000  # about 400 bytes each


class Folder:
    """One folder: its index, the queue of work on it, and the event that tells of changes."""

    def __init__(self, path: Path, root: Path) -> None:
        self.index = Index(path, root)
        self.root = root
        self._queue = asyncio.Lock()
        self._news = Event.for_asyncio()

    @property
    def path(self) -> Path:
        return self.index.folder

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call `work` in a thread, when nothing else works on this folder.

        A caller that is cancelled leaves at once; the work itself is finished, and only then comes the next.
        """
        task = asyncio.ensure_future(self._in_turn(lambda: work(*args, **kwargs)))
        task.add_done_callback(_note_outcome)
        return await asyncio.shield(task)

    async def _in_turn(self, work: Callable[[], _T]) -> _T:
        async with self._queue:
            before = self.index.position
            try:
                return await asyncio.to_thread(work)
            finally:
                if self.index.gone or self.index.position != before:
                    self.tell()

    async def refresh(self) -> None:
        """Take over what changed on disk. A folder that is gone says so by `index.gone`. Raises FolderBusy."""
        try:
            await self.run(self.index.refresh)
        except maildir.FolderGone:
            self.index.gone = True
            self.tell()

    def tell(self) -> None:
        """Wake those who wait for news."""
        news, self._news = self._news, Event.for_asyncio()
        news.set()

    async def wait(self, done: Event) -> None:
        """Wait for news, or until `done` is set."""
        await done.or_event(self._news).wait()


def _note_outcome(task: asyncio.Future[_T]) -> None:
    """The caller may be gone; then nobody else asks for the exception."""
    if not task.cancelled():
        task.exception()


class Store:
    """The folders in use by one process. Share one between listeners, so that they share indexes and news."""

    def __init__(self) -> None:
        self._folders: WeakValueDictionary[Path, Folder] = WeakValueDictionary()
        self._kept: OrderedDict[Path, tuple[Folder, float]] = OrderedDict()
        self._eviction: asyncio.TimerHandle | None = None
        self._waiting: Counter[Folder] = Counter()
        self._watcher: asyncio.Task[None] | None = None

    def folder(self, root: Path, name: str) -> Folder:
        """The folder with this name, whether or not it exists on disk. Raises BadFolderName."""
        path = maildir.folder_path(root, name)
        folder = self._folders.get(path)
        if folder is None or folder.index.gone:
            folder = self._folders[path] = Folder(path, root)
        now = asyncio.get_running_loop().time()
        self._kept[path] = (folder, now)
        self._kept.move_to_end(path)
        self._evict()
        return folder

    @property
    def in_memory(self) -> int:
        """How many folders are in memory."""
        return len(self._folders)

    def _evict(self) -> None:
        loop = asyncio.get_running_loop()
        messages = sum(len(folder.index.entries) for folder, _ in self._kept.values())
        while self._kept:
            path, (folder, used) = next(iter(self._kept.items()))
            if len(self._kept) <= _MOST_FOLDERS and messages <= _MOST_MESSAGES and used + _IDLE_SECONDS > loop.time():
                break
            messages -= len(folder.index.entries)
            del self._kept[path]
        if self._kept and self._eviction is None:
            self._eviction = loop.call_later(_IDLE_SECONDS, self._evict_later)

    def _evict_later(self) -> None:
        self._eviction = None
        self._evict()

    async def rename(self, root: Path, before: str, after: str) -> None:
        """Rename one folder on disk; sessions that have it selected go on in it."""
        folder = self.folder(root, before)
        target = maildir.folder_path(root, after)
        old = folder.path

        def move() -> None:
            try:
                old.rename(target)
            except FileNotFoundError:
                raise maildir.FolderGone from None
            folder.index.move_to(target)

        await folder.run(move)
        self._folders.pop(old, None)
        self._kept.pop(old, None)
        self._folders[target] = folder

    async def remove(self, root: Path, name: str) -> None:
        """Remove a folder with its messages. Raises FolderGone."""
        folder = self.folder(root, name)
        await folder.run(maildir.remove_folder, root, name)
        folder.index.gone = True
        folder.tell()
        self._kept.pop(folder.path, None)

    # News

    def delivered(self, root: Path, folder: str = "INBOX") -> None:
        """Say that this process delivered into a folder, so that IDLE tells it at once. Call it in the event loop."""
        known = self._folders.get(maildir.folder_path(root, folder))
        if known is not None and self._waiting[known]:
            task = asyncio.ensure_future(known.refresh())
            task.add_done_callback(_note_outcome)

    async def wait(self, folder: Folder, done: Event) -> None:
        """Wait until the folder has news or `done` is set, looking at the disk meanwhile."""
        self._waiting[folder] += 1
        try:
            if self._watcher is None or self._watcher.done():
                self._watcher = asyncio.create_task(self._watch(), name="imap-watch")
            await folder.wait(done)
        finally:
            self._waiting[folder] -= 1
            self._waiting += Counter()  # drops zeros

    async def _watch(self) -> None:
        while self._waiting:
            await asyncio.sleep(POLL_SECONDS)
            watched = list(self._waiting)
            for folder in await asyncio.to_thread(_stale, watched):
                try:
                    await folder.refresh()
                except (Error, OSError):
                    continue  # busy or unreadable now; looked at again in a moment

    async def close(self) -> None:
        """Stop watching; the folders themselves need no closing."""
        if self._eviction is not None:
            self._eviction.cancel()
            self._eviction = None
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None


def _stale(folders: list[Folder]) -> list[Folder]:
    return [folder for folder in folders if _looks_stale(folder)]


def _looks_stale(folder: Folder) -> bool:
    try:
        return folder.index.is_stale()
    except (Error, OSError):
        return True
