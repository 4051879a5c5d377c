"""What every process of an installation has: folder, keys, database, news, ports."""

import asyncio
import binascii
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from litemail.config import Settings
from litemail.kit import embedded_pg
from litemail.kit.db import Database
from litemail.kit.errors import Error, Kind
from litemail.kit.migrate import Urls, migrate
from litemail.kit.notify import Listener
from litemail.kit.ports import PortBook
from litemail.kit.secrets import Secrets, load_or_create_keys, parse_keys

MIGRATIONS = Path(__file__).parent.parent / "migrations"
CHANNELS = (
    "litemail_events",
    "litemail_zones",
    "litemail_registry",
    "litemail_redirects",
    "litemail_connections",
)


class Part(StrEnum):
    """What can run alone, in the order of opening: each may need those before it."""

    DNS = "dns"
    MAIL = "mail"
    REDIRECT = "redirect"
    SANDBOX = "sandbox"
    WORKER = "worker"
    API = "api"


class FolderNotWritable(Error):
    kind = Kind.UNAVAILABLE
    code = "data_dir.not_writable"
    message = "The data folder {folder} cannot be written: {reason}."
    action = "Make it writable for this user, or choose another with LITEMAIL_DATA_DIR or --data-dir."


class BadMasterKeys(Error):
    code = "master_keys.malformed"
    message = "The master keys of {source} cannot be read: {reason}."
    action = "Write them as `name:base64 of 32 bytes`, newest first, separated by commas or line ends."


@dataclass(frozen=True)
class House:
    settings: Settings
    database: Database
    secrets: Secrets
    listener: Listener
    ports: PortBook

    @property
    def mail_root(self) -> Path:
        return self.settings.data_dir / "mail"


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[House]:
    """The house of a long-running process. The last one that leaves a folder stops its embedded PostgreSQL.

    Raises FolderNotWritable, BadMasterKeys and what `embedded_pg.start` and `migrate` raise.
    """
    await asyncio.to_thread(_prepare_folder, settings.data_dir)
    async with AsyncExitStack() as stack:
        if settings.database_url is None:
            cluster = await embedded_pg.start(settings.data_dir / "postgres")
            stack.push_async_callback(embedded_pg.stop, cluster)
            owner_url = cluster.url()
        else:
            owner_url = settings.database_url.get_secret_value()
        yield await stack.enter_async_context(_furnished(settings, owner_url))


@asynccontextmanager
async def visited(settings: Settings) -> AsyncIterator[House]:
    """The house of a command that runs beside others: it never stops their PostgreSQL."""
    await asyncio.to_thread(_prepare_folder, settings.data_dir)
    async with AsyncExitStack() as stack:
        if settings.database_url is None:
            cluster = await stack.enter_async_context(embedded_pg.attached(settings.data_dir / "postgres"))
            owner_url = cluster.url()
        else:
            owner_url = settings.database_url.get_secret_value()
        yield await stack.enter_async_context(_furnished(settings, owner_url))


@asynccontextmanager
async def _furnished(settings: Settings, owner_url: str) -> AsyncIterator[House]:
    secrets = await asyncio.to_thread(_read_keys, settings)
    urls = await _migrate(settings, owner_url, secrets)
    database = Database(app_url=urls.app, system_url=urls.system, size=settings.database_pool)
    listener = Listener(urls.system, channels=CHANNELS)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        await database.open()
        await stack.enter_async_context(listener.running())
        yield House(settings, database, secrets, listener, PortBook(settings.data_dir / "ports.json"))


async def _migrate(settings: Settings, owner_url: str, secrets: Secrets) -> Urls:
    app_url, system_url = settings.database_app_url, settings.database_system_url
    return await migrate(
        owner_url,
        migrations=MIGRATIONS,
        app_password=secrets.derive("role litemail_app").hex(),
        system_password=secrets.derive("role litemail_system").hex(),
        app_url=app_url.get_secret_value() if app_url else None,
        system_url=system_url.get_secret_value() if system_url else None,
    )


def _prepare_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise FolderNotWritable(folder=folder, reason=error.strerror) from error


def _read_keys(settings: Settings) -> Secrets:
    source = "LITEMAIL_MASTER_KEYS" if settings.master_keys else str(settings.data_dir / "master.keys")
    try:
        if settings.master_keys:
            return Secrets(parse_keys(settings.master_keys.get_secret_value()))
        return Secrets(load_or_create_keys(settings.data_dir / "master.keys"))
    except (ValueError, binascii.Error) as error:
        raise BadMasterKeys(source=source, reason=str(error)) from error
