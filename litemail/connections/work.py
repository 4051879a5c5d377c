"""One inbox of a connection: what its run knows of it, and what its platform needs of it."""

import re
from dataclasses import dataclass

from litemail.connections.run_queries import OpenInbox
from litemail.platforms import Work
from litemail.providers.mailhost import Server, Servers
from litemail.providers.platform import InboxToAdd, InboxType, MailServer

_SEPARATORS = re.compile(r"[._+-]+")


@dataclass(eq=False, kw_only=True)
class InboxWork(Work):
    row: OpenInbox


def begin(row: OpenInbox) -> InboxWork:
    return InboxWork(
        id=row.id,
        email=row.email,
        status=row.status,
        already=row.already,
        attempted=row.attempted,
        ticket=row.ticket,
        row=row,
    )


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
