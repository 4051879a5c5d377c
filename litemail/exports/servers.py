"""Where the outside reaches our own mailboxes."""

from litemail.kit.actor import Mode
from litemail.kit.errors import Error, Kind
from litemail.kit.outbound import Guard, OutboundError
from litemail.mailboxes import MailAccess
from litemail.providers.mailhost import Security, Server, Servers


class MailHostNotPublic(Error):
    kind = Kind.CONFLICT
    code = "mailhost.not_public"
    message = "Sending platforms cannot reach the mailboxes of this server: its mail host is not public."
    action = "The operator sets LITEMAIL_MAIL_HOSTNAME to a public name, with a certificate that everybody trusts."


def own_servers(mode: Mode, *, guard: Guard, mail_access: MailAccess) -> Servers:
    """Raises MailHostNotPublic, where a live workspace would hand out what nobody can reach; ServerNotStarted."""
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
