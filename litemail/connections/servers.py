"""Which mail servers an inbox has, by the type that was given for it."""

from litemail.exports import own_servers
from litemail.kit.actor import Mode
from litemail.kit.outbound import Guard
from litemail.mailboxes import MailAccess
from litemail.providers.mailhost import PRESETS, Servers
from litemail.providers.platform import InboxType


def servers_of(inbox_type: InboxType, mode: Mode, *, guard: Guard, mail_access: MailAccess) -> Servers:
    """The servers of any type but `custom`, which brings its own. Raises MailHostNotPublic, ServerNotStarted."""
    if inbox_type in PRESETS:
        return PRESETS[inbox_type]
    return own_servers(mode, guard=guard, mail_access=mail_access)


def can_be_verified(inbox_type: InboxType, mode: Mode) -> bool:
    """Our own mailboxes in live workspaces need it not, and the guard lets nobody in to our own addresses."""
    return not (inbox_type == "litemail" and mode == "live")
