"""The mail that asks the owner of an address outside whether mail may be forwarded to them."""

from collections.abc import Callable
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from litemail.domains import forwarding_queries as queries
from litemail.domains.forwarding_queries import ForwardingTarget
from litemail.domains.mail_rules import link_token
from litemail.kit.clock import rfc3339
from litemail.kit.db import Database
from litemail.kit.mailer import Mail, Mailer
from litemail.kit.secrets import Secrets

_TEXT = """Hello,

the workspace "{workspace}" at Litemail wants to forward mail to this address, {address}.

If that is right, open this page and confirm it there:

    {link}

If you do not know about it, do nothing: no mail will be forwarded to you. The link is good for 7 days.
"""


async def ask_target(
    *,
    database: Database,
    mailer: Mailer,
    secrets: Secrets,
    public_base: Callable[[], str],
    mail_hostname: str,
    target_id: str,
) -> None:
    """Sends the mail, unless they have agreed meanwhile. Raises RelayUnavailable, RelayRefused."""
    async with database.begin_system("ask a forwarding target") as tx:
        target = await queries.find_target_by_id(tx, target_id)
        now = tx.now
    if target is None or target.confirmed_at is not None:
        return
    sender = f"no-reply@{mail_hostname}"
    message = _message(target, link=f"{public_base()}/forwarding/{link_token(target.id, secrets=secrets)}")
    message["From"] = f"Litemail <{sender}>"
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{target.id}.{int(target.asked_at.timestamp())}@{mail_hostname}>"
    mail_id = f"{target.id}-{rfc3339(target.asked_at).replace(':', '')}"
    mail = Mail(mail_id, sender, target.address, message.as_bytes(policy=SMTP))
    await mailer.send(mail, outside=target.mode == "live")


def _message(target: ForwardingTarget, *, link: str) -> EmailMessage:
    message = EmailMessage()
    message["To"] = target.address
    message["Subject"] = "May mail be forwarded to you?"
    message["Auto-Submitted"] = "auto-generated"
    text = _TEXT.format(workspace=target.workspace_name, address=target.address, link=link)
    message.set_content(text, cte="8bit")
    return message
