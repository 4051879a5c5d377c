"""The mailboxes and domains of the database, for the SMTP engines."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from litemail import domains, mailboxes
from litemail.kit.db import Database, Tx
from litemail.kit.secrets import Secrets
from litemail.mailboxes import Receiver, Route
from litemail.protocols.address import Address
from litemail.protocols.dkim import SigningKey, TxtLookup
from litemail.servers.imap import maildir
from litemail.servers.sign_in import SignIns, mail_folder
from litemail.servers.smtp.interface import (
    CannotForward,
    Deliver,
    Delivery,
    Forward,
    Outgoing,
    OverLimit,
    Reason,
    Refuse,
    Sender,
    SignInRefused,
)
from litemail.servers.smtp.post import BOUNCE, Post


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
        forwarding_limit: int,
        delivered: Callable[[Path], None],
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._sign_ins = sign_ins
        self._mail_root = mail_root
        self._daily_limit = daily_limit
        self._delivered = delivered
        self._txt_lookup = txt_lookup
        self._post = Post(database, secrets, txt_lookup, daily_limit=forwarding_limit)

    async def route(self, address: Address) -> Deliver | Refuse:
        async with self._database.begin_system("route a message") as tx:
            route = await mailboxes.route(tx, address)
            if route.result == "rejected":
                return await self._refuse(tx, route)
        deliveries = tuple(map(self._delivery, route.deliver_to))
        if route.forward_to is None or route.rule is None:
            return Deliver(deliveries)
        forward = Forward(
            address=address,
            target=route.forward_to,
            rule_id=route.rule.id,
            domain_id=route.rule.domain_id,
            workspace_id=route.rule.workspace_id,
            instead=self._delivery(route.instead) if route.instead else None,
        )
        return Deliver(deliveries, (forward,))

    async def forward(self, forward: Forward, outgoing: Outgoing) -> None:
        try:
            await self._post.send_on(forward, outgoing)
        except domains.ForwardingLimitReached as reached:
            raise CannotForward(str(reached)) from None

    async def _refuse(self, tx: Tx, route: Route) -> Deliver | Refuse:
        if route.reason == "disabled":
            return Refuse(Reason.DISABLED, f"{route.address} takes no mail now")
        domain = await domains.is_ours(tx, route.address.domain)
        if domain is None:
            return Refuse(Reason.FOREIGN_DOMAIN)
        sender = self._post.sender_of(route.address)
        if sender is None:
            return Refuse(Reason.UNKNOWN_USER, f"{route.address} does not exist")
        if await domains.is_ours(tx, sender.domain):
            return await self.route(sender)
        bounce = Forward(
            address=route.address,
            target=str(sender),
            rule_id=BOUNCE,
            domain_id=domain.id,
            workspace_id=domain.workspace_id,
        )
        return Deliver(forwards=(bounce,))

    def _delivery(self, receiver: Receiver) -> Delivery:
        return Delivery(receiver.mailbox_id, mail_folder(self._mail_root, receiver.mailbox_id))

    async def deliver(self, delivery: Delivery, message: bytes) -> None:
        await asyncio.to_thread(maildir.deliver, delivery.folder, message)
        self._delivered(delivery.folder)

    async def sign_in(self, *, username: str, password: str, peer: str, tls_name: str | None) -> Sender:  # noqa: ARG002 - of no matter here
        row = await self._sign_ins.check(username, password)
        if row is None:
            raise SignInRefused("535 5.7.8 Authentication failed.")
        return Sender(row.mailbox_id, username.strip().lower())

    async def may_send_as(self, sender: Sender, address: Address) -> bool:
        if str(address) == sender.username:
            return True
        async with self._database.system_statement() as tx:
            return await mailboxes.is_alias_of(tx, str(address), mailbox_id=sender.mailbox_id)

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
