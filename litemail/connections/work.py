"""One inbox under way: what is known of it, and what a platform or a mail host needs of it."""

import re
from dataclasses import dataclass

from litemail.connections.queries import OPEN, InboxStatus
from litemail.connections.run_queries import Change, OpenInbox
from litemail.kit.errors import Error, Problem
from litemail.providers.mailhost import Server, Servers
from litemail.providers.platform import InboxToAdd, InboxType, MailServer

_SEPARATORS = re.compile(r"[._+-]+")


class MayBeThere(Error):
    code = "connection.cancelled_midway"
    message = "The connection was cancelled while the platform was adding this inbox, so it may be there."
    action = "Look at the platform, and remove the inbox there if it should not be."


@dataclass(eq=False)
class Work:
    """The state of an inbox as its run knows it; `recorder` writes it down."""

    row: OpenInbox
    status: InboxStatus
    already: bool
    attempted: bool
    ticket: str | None
    error: Problem | None = None

    @property
    def decided(self) -> bool:
        return self.status not in OPEN

    def fail(self, problem: Problem | None) -> None:
        """A later retry looks at the platform afresh, so nothing of this way there is kept but the attempt."""
        self.status, self.error, self.ticket = "failed", problem, None

    def change(self) -> Change:
        return Change(
            id=self.row.id,
            status=self.status,
            already=self.already,
            attempted=self.attempted,
            ticket=self.ticket,
            error=self.error,
        )


def begin(row: OpenInbox) -> Work:
    return Work(row, row.status, row.already, row.attempted, row.ticket)


def to_add(
    row: OpenInbox,
    *,
    inbox_type: InboxType,
    servers: Servers,
    password: str,
    daily_limit: int | None,
    warmup: bool,
) -> InboxToAdd:
    first, last = _names(row.email)
    username = row.username or row.email
    return InboxToAdd(
        email=row.email,
        first_name=row.first_name or first,
        last_name=row.last_name or (last if row.first_name is None else ""),
        inbox_type=inbox_type,
        imap=_server(servers.imap, username, password),
        smtp=_server(servers.smtp, username, password),
        daily_limit=row.daily_limit or daily_limit,
        warmup=warmup,
    )


def _server(server: Server, username: str, password: str) -> MailServer:
    return MailServer(server.host, server.port, server.security.value, username, password)


def _names(email: str) -> tuple[str, str]:
    """A first and a last name out of the address: platforms want them, and recipients see them."""
    words = [word for word in _SEPARATORS.split(email.partition("@")[0]) if word]
    named = [word.capitalize() for word in words] or [email]
    return named[0], " ".join(named[1:])
