"""Erasing the mail of mailboxes that were removed so long ago that nobody can restore them."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from litemail import mailboxes
from litemail.kit.db import Database

_EVERY = 24 * 3600.0

log = structlog.get_logger("mail")


@asynccontextmanager
async def erasing(database: Database, root: Path) -> AsyncIterator[None]:
    """Looks once a day while the block lasts, and at once."""
    task = asyncio.create_task(_keep_erasing(database, root), name="erasing mail")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def erase(database: Database, root: Path) -> None:
    """Deletes the Maildirs under `root` of mailboxes whose passwords are erased. Leaves everything else alone.

    Goes by the folders that are there, so it also finds what an earlier look did not come to.
    """
    for group in await asyncio.to_thread(_children, root):
        folders = {folder.name: folder for folder in await asyncio.to_thread(_children, group)}
        async with database.begin_system("mail to erase") as tx:
            erased = await mailboxes.list_erased(tx, list(folders))
        for mailbox_id in erased:
            await asyncio.to_thread(shutil.rmtree, folders[mailbox_id])
            log.info("mail erased", mailbox=mailbox_id)


async def _keep_erasing(database: Database, root: Path) -> None:
    while True:
        try:
            await erase(database, root)
        except Exception:
            log.exception("mail of removed mailboxes not erased this time")
        await asyncio.sleep(_EVERY)


def _children(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir()) if folder.is_dir() else []
