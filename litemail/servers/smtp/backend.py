"""The mailboxes and domains of the database, for the SMTP engines."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from litemail import domains, mailboxes
from litemail.kit.db import Database
from litemail.kit.secrets import Secrets
from litemail.protocols.address import Address
from litemail.protocols.dkim import SigningKey
from litemail.servers.imap import maildir
from litemail.servers.sign_in import SignIns, mail_folder
from litemail.servers.smtp.interface import (
    Deliver,
    Delivery,
    OverLimit,
    Reason,
    Refuse,
    Route,
    Sender,
    SignInRefused,
)

TxtLookup = Callable[[str], Awaitable[str | None]]


class MailboxBackend:
    """Implements `smtp.SubmissionBackend` and `smtp.MxBackend`. `delivered` hears of each folder delivered to."""

    def __init__(
        self,
        *,
        database: Database,
        secrets: Secrets,
        sign_ins: SignIns,
        mail_root: Path,
        txt_lookup: TxtLookup,
        daily_limit: int,
        delivered: Callable[[Path], None],
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._sign_ins = sign_ins
        self._mail_root = mail_root
        self._daily_limit = daily_limit
        self._delivered = delivered
        self._txt_lookup = txt_lookup

    async def route(self, address: Address) -> Route:
        async with self._database.begin_system("route a message") as tx:
            try:
                receiver = await mailboxes.receiver(tx, address)
            except mailboxes.MailboxDisabled as disabled:
                return Refuse(Reason.DISABLED, str(disabled))
            except mailboxes.MailboxUnknown as unknown:
                ours = await domains.is_ours(tx, address.domain)
                return Refuse(Reason.UNKNOWN_USER, str(unknown)) if ours else Refuse(Reason.FOREIGN_DOMAIN)
        return Deliver((Delivery(receiver.mailbox_id, mail_folder(self._mail_root, receiver.mailbox_id)),))

    async def deliver(self, delivery: Delivery, message: bytes) -> None:
        await asyncio.to_thread(maildir.deliver, delivery.folder, message)
        self._delivered(delivery.folder)

    async def sign_in(self, *, username: str, password: str, peer: str, tls_name: str | None) -> Sender:  # noqa: ARG002 - of no matter here
        row = await self._sign_ins.check(username, password)
        if row is None:
            raise SignInRefused("535 5.7.8 Authentication failed.")
        return Sender(row.mailbox_id, username.strip().lower())

    async def may_send_as(self, sender: Sender, address: Address) -> bool:
        return str(address) == sender.username

    async def signing_keys(self, domain: str) -> Sequence[SigningKey]:
        async with self._database.begin_system("sign a message") as tx:
            return await domains.signing_keys(tx, domain, secrets=self._secrets)

    async def txt(self, name: str) -> str | None:
        return await self._txt_lookup(name)

    async def admit(self, sender: Sender, recipients: int) -> None:
        try:
            async with self._database.begin_system("count a message") as tx:
                await mailboxes.count_sent(
                    tx, sender.mailbox_id, email=sender.username, recipients=recipients, limit=self._daily_limit
                )
        except mailboxes.SendingLimitReached as reached:
            raise OverLimit(f"450 4.7.1 {reached}") from None
