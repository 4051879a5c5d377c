"""Domains under our management: claimed, proved, served, and what their mail is signed with."""

from litemail.domains.availability import Margin as Margin
from litemail.domains.availability import Market as Market
from litemail.domains.keys import signing_keys as signing_keys
from litemail.domains.looking import DnsServers as DnsServers
from litemail.domains.looking import Parents as Parents
from litemail.domains.queries import Domain as Domain
from litemail.domains.refreshing import request_check_of_name as request_check_of_name
from litemail.domains.service import DomainNotFound as DomainNotFound
from litemail.domains.service import MailboxLimit as MailboxLimit
from litemail.domains.service import NameTaken as NameTaken
from litemail.domains.service import check_mode as check_mode
from litemail.domains.service import connect as connect
from litemail.domains.service import count_mailbox as count_mailbox
from litemail.domains.service import count_mailboxes as count_mailboxes
from litemail.domains.service import find as find
from litemail.domains.service import find_many as find_many
from litemail.domains.service import get as get
from litemail.domains.service import is_ours as is_ours
from litemail.domains.service import lock as lock
from litemail.domains.service import lock_usable as lock_usable
from litemail.domains.service import own_test_name as own_test_name
from litemail.domains.service import refuse_reserved as refuse_reserved
