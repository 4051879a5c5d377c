"""Delivers the events of the sandbox's payment gateway to our own webhook, signed and over HTTP, as real ones do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
import structlog

from litemail.kit import clock, standard_webhooks
from litemail.kit.db import Database
from litemail.kit.errors import Error
from litemail.kit.jobs import Job
from litemail.kit.outbound import Guard
from litemail.servers.sandbox import gateway
from litemail.servers.sandbox import gateway_queries as queries
from litemail.servers.sandbox.gateway_queries import Untold

GIVEN_UP = timedelta(days=3)
KEPT = timedelta(days=30)
_AT_ONCE = 20
_SECONDS = 9.0
_REASON = "sandbox gateway"

log = structlog.get_logger("sandbox")


@dataclass(frozen=True)
class HookDoor:
    url: str
    guard: Guard


@dataclass(frozen=True)
class GatewayHook:
    """Where events are sent, as of now (ports may change), and signed with what. `door` raises ServerNotStarted."""

    door: Callable[[], HookDoor]
    secret: bytes = field(repr=False)


async def deliver(*, database: Database, gateway_hook: GatewayHook) -> None:
    """Tells what is untold, the oldest first, until all is told or the webhook does not answer.

    Whoever else delivers at the same time does no harm: an event told twice counts once.
    """
    answers, door = True, gateway_hook.door()
    async with door.guard.http_client(timeout=_SECONDS, total=_SECONDS) as client:
        while answers:
            async with database.begin_system(_REASON) as tx:
                untold = await queries.list_untold(tx, since=tx.now - GIVEN_UP, limit=_AT_ONCE)
            told: list[str] = []
            refused: list[str] = []
            for event in untold:
                taken = await _tell(event, client, url=door.url, secret=gateway_hook.secret)
                if taken is None:
                    answers = False
                    break
                (told if taken else refused).append(event.id)
            async with database.begin_system(_REASON) as tx:
                await queries.mark_told(tx, told)
                await queries.mark_refused(tx, refused)
            answers = answers and bool(told)


async def tidy(*, database: Database) -> None:
    """Closes pages whose time is over, tries again what is untold, forgets what was told long ago."""
    async with database.begin_system(_REASON) as tx:
        for page in await queries.lock_due_pages(tx, limit=1000):
            await gateway.expire(tx, page)
        await queries.forget_events(tx, before=tx.now - KEPT)
        if await queries.list_untold(tx, since=tx.now - GIVEN_UP, limit=1):
            await tx.enqueue("sandbox.deliver_gateway_events", once="deliver gateway events")


async def _tell(event: Untold, client: httpx.AsyncClient, *, url: str, secret: bytes) -> bool | None:
    """Whether the webhook took the event; None when it did not answer."""
    body = event.body.encode()
    signed = standard_webhooks.sign(body, message_id=event.id, secret=secret, now=clock.now())
    try:
        answer = await client.post(url, content=body, headers={**signed, "content-type": "application/json"})
    except (Error, httpx.HTTPError) as error:
        log.warning("the webhook of the sandbox's gateway does not answer", gateway_event=event.id, reason=str(error))
        return None
    if not answer.is_success:
        log.warning("an event of the sandbox's gateway was refused", gateway_event=event.id, status=answer.status_code)
    return answer.is_success


JOBS: Mapping[str, Job] = {"sandbox.deliver_gateway_events": deliver, "sandbox.tidy_gateway": tidy}
SCHEDULES: Mapping[str, str] = {"sandbox.tidy_gateway": "* * * * *"}
HANDLERS: Mapping[str, str] = {}
