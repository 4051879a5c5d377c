"""Which mail servers an inbox has, by the type that was given for it."""

from litemail.kit.actor import Mode
from litemail.kit.errors import Error, Kind
from litemail.kit.outbound import Guard, OutboundError
from litemail.mailboxes import MailAccess
from litemail.providers.mailhost import PRESETS, Security, Server, Servers
from litemail.providers.platform import InboxType


class MailHostNotPublic(Error):
    kind = Kind.CONFLICT
    code = "mailhost.not_public"
    message = "Sending platforms cannot reach the mailboxes of this server: its mail host is not public."
    action = "The operator sets LITEMAIL_MAIL_HOSTNAME to a public name, with a certificate that everybody trusts."


def servers_of(inbox_type: InboxType, mode: Mode, *, guard: Guard, mail_access: MailAccess) -> Servers:
    """The servers of any type but `custom`, which brings its own. Raises MailHostNotPublic, ServerNotStarted."""
    if inbox_type in PRESETS:
        return PRESETS[inbox_type]
    ours = Servers(
        imap=Server(mail_access.host, mail_access.ports["imaps"], Security.TLS),
        smtp=Server(mail_access.host, mail_access.ports["submission"], Security.STARTTLS),
    )
    if mode == "live":
        try:
            for server in (ours.imap, ours.smtp):
                guard.check(server.host, server.port)
        except OutboundError:
            raise MailHostNotPublic from None
    return ours


def can_be_verified(inbox_type: InboxType, mode: Mode) -> bool:
    """Our own mailboxes in live workspaces need it not, and the guard lets nobody in to our own addresses."""
    return not (inbox_type == "litemail" and mode == "live")
