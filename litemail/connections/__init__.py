"""Connections: jobs that connect inboxes to a sending platform."""

from litemail.connections.queries import CHANNEL as CHANNEL
from litemail.connections.queries import Connection as Connection
from litemail.connections.queries import Inbox as Inbox
from litemail.connections.service import ConnectionNotFound as ConnectionNotFound
from litemail.connections.service import cancel as cancel
from litemail.connections.service import create as create
from litemail.connections.service import get as get
from litemail.connections.service import retry as retry
