"""The parts of a process: each opens its servers in a house and closes them again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime

from litemail import worker
from litemail.app import outside
from litemail.app.house import House, Part
from litemail.app.uses import KeyUses
from litemail.kit import http_server, local_ca
from litemail.kit.db import DatabaseUnavailable
from litemail.kit.http_server import PortTaken
from litemail.mailboxes.schemas import MailAccess
from litemail.providers.dns.txt import TxtLookup
from litemail.providers.mailhost import preset_hosts
from litemail.providers.platform import Registry, instantly, registry
from litemail.servers import dns, imap, smtp
from litemail.servers.dns.backend import ZoneBackend
from litemail.servers.imap.backend import MailboxBackend as ImapMailboxes
from litemail.servers.sandbox import api as sandbox_api
from litemail.servers.sandbox import instantly as instantly_twin
from litemail.servers.sandbox.app import create_app
from litemail.servers.sandbox.backend import SqlStore
from litemail.servers.sandbox.behaviour import Sandbox
from litemail.servers.sandbox.mail import ImapTwin, SmtpTwin
from litemail.servers.sign_in import SignIns
from litemail.servers.smtp.backend import MailboxBackend as SmtpMailboxes
from litemail.web import api as web_api
from litemail.web import system

Opened = AbstractAsyncContextManager[Mapping[str, int]]
NAME_SERVERS = 16
