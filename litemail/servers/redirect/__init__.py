"""A web server that forwards: each domain it knows, and www below it, to a URL. It answers from memory."""

from litemail.servers.redirect.certificates import Certificates as Certificates
from litemail.servers.redirect.data import Redirect as Redirect
from litemail.servers.redirect.rules import Rules as Rules
from litemail.servers.redirect.server import Limits as Limits
from litemail.servers.redirect.server import RedirectServer as RedirectServer
from litemail.servers.redirect.server import serve as serve
