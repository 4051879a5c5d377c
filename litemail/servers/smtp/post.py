"""Mail that goes on: its sender rewritten (SRS), sealed (ARC), and handed to the domains it is forwarded by."""

from litemail import domains
from litemail.domains import NewMail
from litemail.kit import clock
from litemail.kit.db import Database
from litemail.kit.secrets import Secrets
from litemail.protocols import arc, srs
from litemail.protocols.address import Address, InvalidAddress, parse
from litemail.protocols.dkim import Algorithm, TxtLookup
from litemail.servers.smtp.interface import Forward, Outgoing

BOUNCE = "srs"
"""In place of a rule's id: the message is a bounce on its way back."""


class Post:
    """What `MailboxBackend` does to messages that go on. `daily_limit` is for each domain."""

    def __init__(self, database: Database, secrets: Secrets, txt_lookup: TxtLookup, *, daily_limit: int) -> None:
        self._database = database
        self._secrets = secrets
        self._txt_lookup = txt_lookup
        self._daily_limit = daily_limit
        self._srs_key = secrets.derive("srs")

    async def send_on(self, forward: Forward, outgoing: Outgoing) -> None:
        """Raises domains.ForwardingLimitReached."""
        new = NewMail(
            domain_id=forward.domain_id,
            workspace_id=forward.workspace_id,
            sender=self._sender(forward, outgoing),
            recipient=forward.target,
            bounce_to=outgoing.reverse_path,
            message=await self._sealed(forward.address.domain, outgoing),
        )
        async with self._database.begin_system("send a message on") as tx:
            await domains.send_on(tx, new, limit=self._daily_limit)

    def sender_of(self, address: Address) -> Address | None:
        """Who sent the message that bounces to an address which we made for it; None for any other address."""
        try:
            return srs.restore(address.local, key=self._srs_key, now=clock.now())
        except srs.NotOurs:
            return None

    def _sender(self, forward: Forward, outgoing: Outgoing) -> str:
        """Empty also where the sender's address is of a kind that cannot be rewritten: nobody can be told then."""
        if not outgoing.reverse_path or forward.rule_id == BOUNCE:
            return ""
        try:
            sender = srs.parse_path(outgoing.reverse_path) or parse(outgoing.reverse_path)
        except InvalidAddress:
            return ""
        return str(srs.rewrite(sender, domain=forward.address.domain, key=self._srs_key, now=clock.now()))

    async def _sealed(self, domain: str, outgoing: Outgoing) -> bytes:
        async with self._database.begin_system("seal a message") as tx:
            keys = await domains.signing_keys(tx, domain, secrets=self._secrets)
        key = next((key for key in keys if key.algorithm is Algorithm.RSA), None)
        if key is None:
            return outgoing.message
        chain = await arc.validate(outgoing.message, txt_lookup=self._txt_lookup)
        return arc.seal(
            outgoing.message, results=outgoing.results, chain=chain, domain=domain, key=key, now=clock.now()
        )
