"""The sending platforms that this program connects to, and the twins that a sandbox has of them. Named only here."""

from litemail.providers.platform import (
    Adapter,
    emailbison,
    instantly,
    lemlist,
    plusvibe,
    salesforge,
    saleshandy,
    smartlead,
    woodpecker,
)
from litemail.servers.sandbox import emailbison as emailbison_twin
from litemail.servers.sandbox import instantly as instantly_twin
from litemail.servers.sandbox import lemlist as lemlist_twin
from litemail.servers.sandbox import salesforge as salesforge_twin
from litemail.servers.sandbox import smartlead as smartlead_twin
from litemail.servers.sandbox.app import Twin


def adapters(*, login: bool = True) -> list[Adapter]:
    """`login`: whether people may sign in with e-mail and password where that goes through undocumented calls."""
    return [
        instantly.adapter(login=login),
        smartlead.adapter(login=login),
        lemlist.adapter(),
        emailbison.adapter(),
        salesforge.adapter(),
        plusvibe.adapter(),
        saleshandy.adapter(),
        woodpecker.adapter(),
    ]


def twins() -> list[Twin]:
    return [
        instantly_twin.twin(),
        smartlead_twin.twin(),
        lemlist_twin.twin(),
        emailbison_twin.twin(),
        salesforge_twin.twin(),
    ]
