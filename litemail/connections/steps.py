"""The way of one inbox: sign in to it, hand it to the platform, set what is wanted there. Any step may be repeated."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol

from litemail.connections.run_queries import Claim
from litemail.connections.servers import Discovery, can_be_verified, servers_of
from litemail.connections.work import InboxWork, to_add
from litemail.kit.outbound import Guard
from litemail.kit.secrets import Secrets
from litemail.mailboxes import MailAccess
from litemail.platforms import HandOver, HostDoors, Pace, SecretsExpired, problem_of
from litemail.providers import mailhost
from litemail.providers.mailhost import Servers
from litemail.providers.platform import InboxToAdd


class SignIn(Protocol):
    """`mailhost.sign_in`."""

    def __call__(
        self, *, address: str, username: str | None, password: str, servers: Servers, guard: Guard, timeout: float
    ) -> Awaitable[None]: ...


@dataclass(frozen=True)
class Way:
    """What all inboxes of one connection share besides their platform."""

    claim: Claim
    guard: Guard
    mail_access: MailAccess
    secrets: Secrets
    pace: Pace
    hosts: HostDoors
    discovery: Discovery
    sign_in: SignIn

    async def go(self, run: HandOver, work: InboxWork) -> None:
        """Raises what mail host and platform say of the inbox."""
        if self.claim.inbox_type == "custom":
            await self.discovery.complete(work)
        await self._verify(run, work)
        await run.add(work, lambda: self._inbox_of(work))
        await run.finishing.finish(work.email)
        work.status, work.error = "connected", None

    async def _verify(self, run: HandOver, work: InboxWork) -> None:
        # What was handed over, or was about to be, has been verified before.
        if not self.claim.options.verify or work.status in ("connecting", "confirming"):
            return
        if not can_be_verified(self.claim.inbox_type, self.claim.mode):
            return
        servers, password = self._servers_of(work), self._password_of(work)
        tries = 0
        while True:
            async with self.hosts.open(servers):
                run.go_on()
                if work.status != "verifying":
                    work.status = "verifying"
                    run.recorder.note(work)
                try:
                    await self.sign_in(
                        address=work.email,
                        username=work.row.username,
                        password=password,
                        servers=servers,
                        guard=self.guard,
                        timeout=self.pace.sign_in_within,
                    )
                except mailhost.Unreachable as error:
                    tries += 1
                    if tries >= self.pace.host_tries:
                        raise
                    work.error = problem_of(error, stage=work.status)
                    run.recorder.note(work)
                else:
                    return
            await asyncio.sleep(self.pace.wait(tries))

    def _servers_of(self, work: InboxWork) -> Servers:
        if work.row.servers is not None:
            return work.row.servers
        return servers_of(self.claim.inbox_type, self.claim.mode, guard=self.guard, mail_access=self.mail_access)

    def _password_of(self, work: InboxWork) -> str:
        if work.row.password is None:
            raise SecretsExpired(which="the password of the inbox")
        return self.secrets.open(work.row.password, row=work.id)

    def _inbox_of(self, work: InboxWork) -> InboxToAdd:
        return to_add(
            work.row,
            inbox_type=self.claim.inbox_type,
            servers=self._servers_of(work),
            password=self._password_of(work),
            daily_limit=self.claim.options.daily_limit,
            warmup=self.claim.options.warmup,
        )
