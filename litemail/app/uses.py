"""When API keys were last used: remembered in memory, written down every few seconds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import structlog

from litemail import workspaces
from litemail.kit import clock
from litemail.kit.db import Database, DatabaseUnavailable

_EVERY = 5.0

log = structlog.get_logger("api")


class KeyUses:
    """Implements `web.auth.KeyUses`. A write for each request would cost more than the requests themselves."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._used: dict[str, datetime] = {}

    def used(self, key_id: str) -> None:
        self._used[key_id] = clock.now()

    @asynccontextmanager
    async def written_down(self) -> AsyncIterator[None]:
        """Writes while the block lasts, and once more at its end."""
        task = asyncio.create_task(self._keep_writing(), name="key uses")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._write()

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            await self._write()

    async def _write(self) -> None:
        used, self._used = self._used, {}
        if not used:
            return
        try:
            async with self._database.begin_system("key uses") as tx:
                await workspaces.touch_keys(tx, list(used.items()))
        except DatabaseUnavailable as error:
            log.warning("last uses of keys are lost", keys=len(used), reason=str(error))
