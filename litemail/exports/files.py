"""The file of an export, written while it is being sent: nothing is kept on disk, and nothing grows with the file.

Pages of the snapshot are read by key, each in a transaction of its own: a client that reads slowly holds no connection
and no snapshot of the database.
"""

import asyncio
import io
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import IO

import msgspec

from litemail.exports import file_queries
from litemail.exports.file_queries import SealedLogin
from litemail.exports.layouts import LAYOUTS, Common, Layout, Login, Row, csv_name, csv_of
from litemail.exports.queries import Export
from litemail.exports.servers import own_servers
from litemail.exports.service import NotFinished, get, is_xlsx
from litemail.kit.actor import Actor, Mode
from litemail.kit.db import Database, Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.outbound import Guard
from litemail.kit.secrets import Secrets
from litemail.mailboxes import MailAccess
from litemail.providers.mailhost import Security

_PAGE = 2000
_PART = 64 * 1024

CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class NoFile(Error):
    kind = Kind.CONFLICT
    code = "export.no_file"
    message = "This export went to a platform account: it has no file."
    action = "Export with the destination csv or xlsx to get a file."


class Revoked(Error):
    kind = Kind.GONE
    code = "export.revoked"
    message = "The passwords of this file were revoked, so the file is gone."
    action = "Export the mailboxes again."


class File(msgspec.Struct, frozen=True):
    """What is about to be sent."""

    export: Export
    layout: Layout
    common: Common

    @property
    def name(self) -> str:
        return f"{self.export.id}.{'xlsx' if is_xlsx(self.export) else 'csv'}"

    @property
    def media_type(self) -> str:
        return XLSX if is_xlsx(self.export) else f"{CSV}; charset=utf-8; header=present"


async def open_(tx: Tx, export_id: str, *, guards: Mapping[Mode, Guard], mail_access: MailAccess) -> File:
    """Leaves an audit line. Raises ExportNotFound, NoFile, NotFinished, Revoked, MailHostNotPublic."""
    export = await get(tx, export_id)
    if export.layout is None:
        raise NoFile
    if export.revoked_at is not None:
        raise Revoked
    if not export.finished:
        raise NotFinished(status=export.status)
    servers = own_servers(export.mode, guard=guards[export.mode], mail_access=mail_access)
    await tx.emit(
        "export.file_read",
        workspace_id=export.workspace_id,
        subject=export.id,
        data={"mailboxes": export.succeeded},
        audience="audit",
    )
    limit = export.options.daily_limit
    common = Common(
        imap_host=servers.imap.host,
        imap_port=str(servers.imap.port),
        smtp_host=servers.smtp.host,
        smtp_port=str(servers.smtp.port),
        imap_implicit_tls=servers.imap.security is Security.TLS,
        smtp_implicit_tls=servers.smtp.security is Security.TLS,
        daily_limit="" if limit is None else str(limit),
        warmup=export.options.warmup,
    )
    return File(export, LAYOUTS[export.layout], common)


async def write(file: File, *, database: Database, actor: Actor, secrets: Secrets) -> AsyncIterator[bytes]:
    """The file in parts. Mailboxes that were removed since, or whose password was revoked, are not in it any more."""
    pages = _pages(file.export.id, database=database, actor=actor)
    if is_xlsx(file.export):
        async for part in _write_xlsx(file, pages, secrets):
            yield part
        return
    yield csv_of([file.layout.columns])
    async for page in pages:
        # Not in the event loop, where other requests would wait for it.
        yield await asyncio.to_thread(_csv_of_page, file, page, secrets)


async def _pages(export_id: str, *, database: Database, actor: Actor) -> AsyncIterator[Sequence[SealedLogin]]:
    """The next page is read while the one before is being written and sent."""
    reading: asyncio.Task[list[SealedLogin]] | None = None

    def read(after: str) -> asyncio.Task[list[SealedLogin]]:
        return asyncio.create_task(_read(database, actor, export_id, after=after))

    try:
        reading = read("")
        while page := await reading:
            reading = read(page[-1].mailbox_id)
            yield page
    finally:
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def _read(database: Database, actor: Actor, export_id: str, *, after: str) -> list[SealedLogin]:
    async with database.begin(actor) as tx:
        return await file_queries.list_logins(tx, export_id, after=after, limit=_PAGE)


def _rows(file: File, page: Sequence[SealedLogin], secrets: Secrets, *, name: Callable[[str], str]) -> list[Row]:
    make, common = file.layout.row, file.common
    return [
        make(
            common,
            Login(
                each.email,
                name(each.first_name),
                name(each.last_name),
                name(each.display_name),
                secrets.open(each.sealed, row=each.app_password_id),
            ),
        )
        for each in page
        if each.there
    ]


def _csv_of_page(file: File, page: Sequence[SealedLogin], secrets: Secrets) -> bytes:
    return csv_of(_rows(file, page, secrets, name=csv_name))


async def _write_xlsx(
    file: File, pages: AsyncIterator[Sequence[SealedLogin]], secrets: Secrets
) -> AsyncIterator[bytes]:
    """A workbook is a zip archive, which is whole only at its end: so it is written into a file without a name first.

    Cells are texts whatever they begin with, so nothing in it can be taken for a formula.
    """
    from xlsxwriter import Workbook  # noqa: PLC0415 - only needed here, and slow to load

    with tempfile.TemporaryFile() as whole:
        book = Workbook(whole, {"constant_memory": True})
        sheet = book.add_worksheet("Mailboxes")
        number = 0

        def add(rows: Sequence[Sequence[str]]) -> None:
            nonlocal number
            for row in rows:
                for column, text in enumerate(row):
                    sheet.write_string(number, column, text)
                number += 1

        add([file.layout.columns])
        async for page in pages:
            await asyncio.to_thread(lambda logins: add(_rows(file, logins, secrets, name=str)), page)
        await asyncio.to_thread(book.close)
        whole.seek(0, io.SEEK_SET)
        async for part in _parts(whole):
            yield part


async def _parts(whole: IO[bytes]) -> AsyncIterator[bytes]:
    while part := await asyncio.to_thread(partial(whole.read, _PART)):
        yield part
