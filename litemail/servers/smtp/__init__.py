"""SMTP servers: `mx` takes mail for our addresses, `submission` takes it from our mailboxes.

The engine knows no database: `interface` says what it asks of the program around it.
"""

from litemail.servers.smtp.interface import CannotForward as CannotForward
from litemail.servers.smtp.interface import Deliver as Deliver
from litemail.servers.smtp.interface import Delivery as Delivery
from litemail.servers.smtp.interface import Forward as Forward
from litemail.servers.smtp.interface import MxBackend as MxBackend
from litemail.servers.smtp.interface import Outgoing as Outgoing
from litemail.servers.smtp.interface import OverLimit as OverLimit
from litemail.servers.smtp.interface import Reason as Reason
from litemail.servers.smtp.interface import Refuse as Refuse
from litemail.servers.smtp.interface import Route as Route
from litemail.servers.smtp.interface import Sender as Sender
from litemail.servers.smtp.interface import SignInRefused as SignInRefused
from litemail.servers.smtp.interface import SubmissionBackend as SubmissionBackend
from litemail.servers.smtp.listener import Limits as Limits
from litemail.servers.smtp.listener import SmtpServer as SmtpServer
from litemail.servers.smtp.mx import serve_mx as serve_mx
from litemail.servers.smtp.submission import serve_submission as serve_submission
