"""For tests: a platform that gives one answer, and an inbox to hand to it."""

from collections.abc import Callable
from typing import Any

import httpx

from litemail.providers.platform import (
    Adapter,
    Credentials,
    InboxToAdd,
    MailServer,
    Pacer,
    Reach,
    Session,
    Site,
    twin_limits,
)

KEY = "key-5ecret"
PASSWORD = 'in"b0x-5ecret'
INBOX = InboxToAdd(
    "a@b.test",
    "Ada",
    "Lovelace",
    inbox_type="custom",
    imap=MailServer("imap.b.test", 993, "tls", "a@b.test", PASSWORD),
    smtp=MailServer("smtp.b.test", 587, "starttls", "a@b.test", PASSWORD),
)
Handler = Callable[[httpx.Request], httpx.Response]


def reach(adapter: Adapter, handler: Handler) -> Reach:
    client = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    pacer = Pacer(twin_limits(adapter.declaration.limits, None))
    return Reach(client, Site("http://vendor.test", "http://vendor.test"), pacer)


def session(adapter: Adapter, handler: Handler) -> Session:
    return adapter.session(Credentials(KEY), reach(adapter, handler))


def adding(adapter: Adapter, answer: httpx.Response | Exception, *, afterwards: httpx.Response) -> Session:
    """A platform that answers an add so, and whatever is read so."""

    def handle(request: httpx.Request) -> httpx.Response:
        if request.method != "POST":
            return afterwards
        if isinstance(answer, Exception):
            raise answer
        return answer

    return session(adapter, handle)


def json_answer(status: int, body: Any) -> httpx.Response:
    return httpx.Response(status, json=body)
