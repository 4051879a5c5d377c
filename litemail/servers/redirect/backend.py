"""The forwarded domains of the database, for the redirect engine."""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass

from litemail import domains
from litemail.kit.db import Database
from litemail.kit.notify import RECONNECTED, Listener
from litemail.servers.redirect.data import Redirect

CHANNEL = "litemail_redirects"


@dataclass(frozen=True)
class DatabaseBackend:
    """Implements `feed.Backend`."""

    database: Database
    listener: Listener

    async def load(self, names: Collection[str] | None = None) -> list[Redirect]:
        async with self.database.begin_system("load redirects") as tx:
            served = await domains.served_forwardings(tx, names)
        return [Redirect(one.name, one.url, permanent=one.permanent, keep_path=one.keep_path) for one in served]

    async def changes(self) -> AsyncIterator[str | None]:
        async with self.listener.subscribe(CHANNEL) as heard:
            yield None
            while True:
                name = await heard.get()
                yield None if name == RECONNECTED else name
