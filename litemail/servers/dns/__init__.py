"""An authoritative-only DNS server that answers from memory. See docs/decisions/0002-dns-server.md."""

from litemail.servers.dns.data import Delegation as Delegation
from litemail.servers.dns.data import ZoneData as ZoneData
from litemail.servers.dns.server import DnsServer as DnsServer
from litemail.servers.dns.server import serve as serve
from litemail.servers.dns.zones import Zones as Zones
from litemail.servers.feed import Backend as Backend
from litemail.servers.feed import follow as follow
