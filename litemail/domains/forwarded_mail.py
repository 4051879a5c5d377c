"""Messages on their way to a target outside: kept until they are handed over, then forgotten."""

from datetime import datetime, timedelta

import msgspec

from litemail.kit import ids
from litemail.kit.db import Database, Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.mailer import Mail, Mailer, RelayRefused, RelayUnavailable
from litemail.protocols import dsn

TRIED_FOR = timedelta(days=4)
_SHORTEST_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(hours=4)


class ForwardingLimitReached(Error):
    kind = Kind.RATE_LIMITED
    code = "domain.forwarding_limit"
    message = "{limit} messages were forwarded from this domain today, as many as may be."
    action = "Go on tomorrow (UTC), or ask the operator for a higher limit."
    retryable = True


class NewMail(msgspec.Struct, frozen=True):
    """`sender` is the envelope sender of the copy that goes on, `bounce_to` the one it came with."""

    domain_id: str
    workspace_id: str
    sender: str
    recipient: str
    bounce_to: str
    message: bytes


class Waiting(msgspec.Struct, frozen=True):
    id: str
    workspace_id: str
    mode: str
    domain_id: str
    sender: str
    recipient: str
    bounce_to: str
    message: bytes
    attempts: int
    created_at: datetime


async def send_on(tx: Tx, new: NewMail, *, limit: int) -> None:
    """Takes a message in; a job hands it over. `limit` is that of a domain and day. Raises ForwardingLimitReached."""
    counted = await tx.value(
        int,
        """INSERT INTO domain_usage (domain_id, workspace_id, day, forwarded)
           VALUES (%(domain_id)s, %(workspace_id)s, %(now)s::timestamptz::date, 1)
           ON CONFLICT (domain_id, day) DO UPDATE SET forwarded = domain_usage.forwarded + 1 RETURNING forwarded""",
        domain_id=new.domain_id,
        workspace_id=new.workspace_id,
        now=tx.now,
    )
    if counted is not None and counted > limit:
        raise ForwardingLimitReached(limit=limit)
    await _put(tx, new)


async def send(*, database: Database, mailer: Mailer, mail_hostname: str, mail_id: str) -> None:
    """Hands one message over. While that fails it is tried again and again for 4 days; then its sender is told."""
    async with database.begin_system("forwarded mail") as tx:
        waiting = await _find(tx, mail_id)
    if waiting is None:
        return
    mail = Mail(waiting.id, waiting.sender, waiting.recipient, waiting.message)
    refusal: Error | None = None
    try:
        await mailer.send(mail, outside=waiting.mode == "live")
    except (RelayUnavailable, RelayRefused) as error:
        refusal = error
    async with database.begin_system("forwarded mail") as tx:
        if isinstance(refusal, RelayUnavailable) and tx.now - waiting.created_at < TRIED_FOR:
            await _try_later(tx, waiting)
            return
        await tx.execute("DELETE FROM forwarded_mail WHERE id = %(id)s", id=waiting.id)
        if refusal is not None:
            await _give_up(tx, waiting, str(refusal), mail_hostname=mail_hostname)


async def _put(tx: Tx, new: NewMail) -> None:
    mail_id = ids.new_id("fwm")
    await tx.execute(
        """INSERT INTO forwarded_mail (id, workspace_id, domain_id, sender, recipient, bounce_to, message, created_at)
           VALUES (%(id)s, %(workspace_id)s, %(domain_id)s, %(sender)s, %(recipient)s, %(bounce_to)s, %(message)s,
                   %(now)s)""",
        id=mail_id,
        workspace_id=new.workspace_id,
        domain_id=new.domain_id,
        sender=new.sender,
        recipient=new.recipient,
        bounce_to=new.bounce_to,
        message=new.message,
        now=tx.now,
    )
    await tx.enqueue("domains.send_forwarded", lock=f"send {mail_id}", mail_id=mail_id)


async def _find(tx: Tx, mail_id: str) -> Waiting | None:
    return await tx.find(
        Waiting,
        """SELECT m.id, m.workspace_id, w.mode, m.domain_id, m.sender, m.recipient, m.bounce_to, m.message, m.attempts,
                  m.created_at
           FROM forwarded_mail m JOIN workspaces w ON w.id = m.workspace_id WHERE m.id = %(id)s""",
        id=mail_id,
    )


async def _try_later(tx: Tx, waiting: Waiting) -> None:
    await tx.execute("UPDATE forwarded_mail SET attempts = attempts + 1 WHERE id = %(id)s", id=waiting.id)
    wait = min(_SHORTEST_WAIT * 2**waiting.attempts, _LONGEST_WAIT)
    await tx.enqueue("domains.send_forwarded", lock=f"send {waiting.id}", at=tx.now + wait, mail_id=waiting.id)


async def _give_up(tx: Tx, waiting: Waiting, reason: str, *, mail_hostname: str) -> None:
    """A bounce that cannot be delivered itself is dropped (RFC 5321 section 6.1)."""
    await tx.emit(
        "domain.forwarding_failed",
        workspace_id=waiting.workspace_id,
        subject=waiting.domain_id,
        data={"to": waiting.recipient, "reason": reason},
    )
    if not waiting.bounce_to:
        return
    report = dsn.bounce(
        waiting.message,
        message_id=waiting.id,
        reporter=mail_hostname,
        sender=waiting.bounce_to,
        recipient=waiting.recipient,
        reason=reason,
        now=tx.now,
    )
    await _put(
        tx,
        NewMail(
            domain_id=waiting.domain_id,
            workspace_id=waiting.workspace_id,
            sender="",
            recipient=waiting.bounce_to,
            bounce_to="",
            message=report,
        ),
    )
