"""The DNS providers that this program publishes at. Named only here."""

from collections.abc import Mapping

from litemail.config import Settings
from litemail.domains import DnsDoors
from litemail.kit.actor import Mode
from litemail.kit.endpoints import read_endpoints
from litemail.kit.outbound import Guard
from litemail.providers.dns.publishing import cloudflare, powerdns, providers


def doors(settings: Settings, guards: Mapping[Mode, Guard]) -> DnsDoors:
    private = {endpoint: endpoint for endpoint in read_endpoints(settings.private_dns_providers)}
    return DnsDoors(providers([powerdns.provider(), cloudflare.provider()]), guards, private)
