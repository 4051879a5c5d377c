"""Exports: jobs that hand mailboxes to a platform account or into a file."""

from litemail.exports.queries import Export as Export
from litemail.exports.servers import MailHostNotPublic as MailHostNotPublic
from litemail.exports.servers import own_servers as own_servers
from litemail.exports.service import ExportNotFound as ExportNotFound
from litemail.exports.service import create as create
from litemail.exports.service import get as get
