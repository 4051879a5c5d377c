"""Mailboxes: addresses with a password on a mail host."""

from litemail.mailboxes.alias_queries import is_alias_of as is_alias_of
from litemail.mailboxes.app_passwords import hand_to_export as hand_to_export
from litemail.mailboxes.app_passwords import hand_to_platform_account as hand_to_platform_account
from litemail.mailboxes.app_passwords import note_use as note_use
from litemail.mailboxes.app_passwords import revoke_of_export as revoke_of_export
from litemail.mailboxes.app_passwords import revoke_of_platform_account as revoke_of_platform_account
from litemail.mailboxes.creating import Buying as Buying
from litemail.mailboxes.creating import create as create
from litemail.mailboxes.creating import create_many as create_many
from litemail.mailboxes.mail import USABLE as USABLE
from litemail.mailboxes.mail import Receiver as Receiver
from litemail.mailboxes.mail import SendingLimitReached as SendingLimitReached
from litemail.mailboxes.mail import count_sent as count_sent
from litemail.mailboxes.mail import find_sign_in as find_sign_in
from litemail.mailboxes.mail import list_active as list_active
from litemail.mailboxes.mail import verify as verify
from litemail.mailboxes.queries import Mailbox as Mailbox
from litemail.mailboxes.queries import Owned as Owned
from litemail.mailboxes.queries import SignInRow as SignInRow
from litemail.mailboxes.routing import Route as Route
from litemail.mailboxes.routing import route as route
from litemail.mailboxes.schemas import MailAccess as MailAccess
from litemail.mailboxes.slot_queries import list_erased as list_erased
