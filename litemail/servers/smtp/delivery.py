"""Final delivery: what both servers do with a message that they took for mailboxes of ours, or to send on."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import datetime
from functools import partial

import msgspec
import structlog

from litemail.protocols import dkim
from litemail.protocols.address import Address
from litemail.servers.smtp import forwarding, trace
from litemail.servers.smtp.connection import SmtpConnection
from litemail.servers.smtp.interface import (
    CannotForward,
    Deliver,
    Forward,
    MxBackend,
    Outgoing,
    Reason,
    Refuse,
)
from litemail.servers.smtp.retries import StillDelivering, fingerprint

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_AT_ONCE = 16  # mailboxes of one message
_LARGE = 1024 * 1024  # octets; working on more would hold the event loop for over a millisecond

TEXTS = {
    Reason.UNKNOWN_USER: "There is no mailbox with this address here",
    Reason.FOREIGN_DOMAIN: "Mail for this domain is not taken here",
    Reason.DISABLED: "This mailbox takes no mail now",
    Reason.FULL: "This mailbox is full",
    Reason.UNAVAILABLE: "Temporarily not possible, try again later",
}


async def add_recipient(
    backend: MxBackend, connection: SmtpConnection, address: Address, texts: Mapping[Reason, str]
) -> str:
    """Asks for the route and keeps where it leads; the reply to RCPT."""
    route = await backend.route(address)
    if isinstance(route, Refuse):
        return f"{route.reason.value} {route.text or texts[route.reason]}"
    keep(connection, route)
    return "250 2.1.5 Ok"


def keep(connection: SmtpConnection, route: Deliver) -> None:
    connection.transaction.deliveries.update({one.mailbox_id: one for one in route.deliveries})
    connection.transaction.forwards.update({one.key: one for one in route.forwards})


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """`content` is what the client sent, `message` what goes into the mailboxes below our trace fields."""

    content: bytes
    message: bytes
    source: str | None
    queue_id: str
    now: datetime


async def deliver(backend: MxBackend, connection: SmtpConnection, incoming: Incoming) -> str:
    """Verifies DKIM, writes the trace fields, stores the message in every mailbox and sends it on; the reply to DATA.

    The work goes on when the client disconnects meanwhile.
    """
    transaction = connection.transaction
    refusal = forwarding.settle(transaction, incoming.content)
    if refusal is not None:
        return refusal
    receivers = {*transaction.deliveries, *transaction.forwards}
    transaction.key = await _fingerprint(transaction.reverse_path, incoming.content)
    steady = connection.loop.time()
    try:
        needed = connection.listener.retries.needed(transaction.key, receivers, now=steady)
    except StillDelivering:
        return "451 4.3.0 This message is being delivered, try again later"
    received = trace.received(
        source=incoming.source,
        by=connection.hostname,
        protocol=connection.protocol_name,
        queue_id=incoming.queue_id,
        recipient=transaction.rcpt_tos[0] if len(transaction.rcpt_tos) == 1 else None,
        now=incoming.now,
    )
    delivered: set[str] = set()

    async def work() -> None:
        stamped = await _stamped(backend, connection.hostname, incoming, transaction.reverse_path, received)
        stored = trace.return_path(transaction.reverse_path) + stamped.message
        steps: dict[str, Callable[[], Awaitable[None]]] = {
            one.mailbox_id: partial(backend.deliver, one, stored) for one in transaction.deliveries.values()
        }
        steps |= {one.key: partial(_send_on, backend, one, stamped, stored) for one in transaction.forwards.values()}
        await _do({one: steps[one] for one in needed}, delivered)

    try:
        await _finish(connection, transaction.key, needed, delivered, work())
    except TimeoutError:
        return "451 4.3.0 Delivery takes too long, try again later"
    if delivered != needed:
        connection.listener.retries.remember(transaction.key, delivered, now=steady)
        return "451 4.3.0 Not every mailbox could be reached, try again later"
    connection.listener.retries.forget(transaction.key, receivers)
    transaction.delivered = receivers
    return f"250 2.0.0 Ok: {incoming.queue_id}"


async def _finish(
    connection: SmtpConnection,
    key: bytes,
    needed: set[str],
    delivered: set[str],
    work: Coroutine[object, object, None],
) -> None:
    """Does the work to its end. If the client goes or the time is up first, what comes of it is remembered."""
    listener, loop = connection.listener, connection.loop
    task = listener.start(work)
    try:
        async with asyncio.timeout(listener.limits.delivery):
            await asyncio.shield(task)
    except (asyncio.CancelledError, TimeoutError):
        listener.retries.hold(key, needed)

        def ended(_: asyncio.Task[None]) -> None:
            listener.retries.release(key, needed)
            listener.retries.remember(key, delivered, now=loop.time())

        task.add_done_callback(ended)
        raise


async def _fingerprint(reverse_path: str, content: bytes) -> bytes:
    if len(content) < _LARGE:
        return fingerprint(reverse_path, content)
    return await asyncio.to_thread(fingerprint, reverse_path, content)


async def _stamped(
    backend: MxBackend, hostname: str, incoming: Incoming, reverse_path: str, received: bytes
) -> Outgoing:
    """The message with our trace fields, all but Return-Path, which is for mailboxes only."""
    found = await dkim.verify(incoming.message, txt_lookup=backend.txt, now=incoming.now)
    results = trace.authentication_results(hostname, found)
    clean = trace.without_forged_results(incoming.message, hostname)
    field = f"Authentication-Results: {results}\r\n".encode()
    return Outgoing(b"".join([field, received, clean]), results, reverse_path)


async def _send_on(backend: MxBackend, forward: Forward, stamped: Outgoing, stored: bytes) -> None:
    marked = msgspec.structs.replace(stamped, message=forwarding.delivered_to(forward) + stamped.message)
    try:
        await backend.forward(forward, marked)
    except CannotForward as error:
        if forward.instead is None:
            raise
        log.warning("smtp.not_forwarded", mailbox_id=forward.instead.mailbox_id, reason=str(error))
        await backend.deliver(forward.instead, stored)


async def _do(steps: Mapping[str, Callable[[], Awaitable[None]]], done: set[str]) -> None:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(key: str, step: Callable[[], Awaitable[None]]) -> None:
        async with gate:
            try:
                await step()
            except CannotForward as error:
                log.warning("smtp.not_forwarded", to=key, reason=str(error))
            except Exception:  # one receiver's trouble must not keep the others from their mail
                log.exception("smtp.delivery_failed", to=key)
            else:
                done.add(key)

    await asyncio.gather(*(one(key, step) for key, step in steps.items()))
