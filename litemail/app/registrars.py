"""Where domains are bought: the sandbox's own registrar for sandbox workspaces, Amazon Route 53 for live ones."""

from collections.abc import Awaitable, Callable
from functools import partial

from litemail.app import payments
from litemail.app.house import House
from litemail.config import Settings
from litemail.domains import PURCHASE, RENEWAL, Margin, Market, Shop, deliver
from litemail.kit import clock
from litemail.kit.actor import Mode
from litemail.kit.errors import Error
from litemail.kit.outbound import VENDOR, Guard
from litemail.protocols import names
from litemail.providers.registrar import Registrar, Registrars
from litemail.providers.registrar.rdap import Rdap, read_servers
from litemail.servers.sandbox import registry
from litemail.servers.sandbox.registrar import SandboxRegistrar
from litemail.workflows.fulfil_order import Deliverers
from litemail.workflows.purchase_links import PurchaseLinks


class RegistrarKeysMissing(Error):
    code = "registrar.keys_missing"
    message = "LITEMAIL_REGISTRAR=route53 needs LITEMAIL_AWS_ACCESS_KEY_ID and LITEMAIL_AWS_SECRET_ACCESS_KEY."
    action = "Set both, see docs/how-to/connect-route53.md, or leave LITEMAIL_REGISTRAR out."


def market(house: House) -> Market:
    """Raises RegistrarKeysMissing, BadBootstrapFile."""
    settings = house.settings
    by_mode: dict[Mode, Registrar] = {"sandbox": SandboxRegistrar(house.database)}
    if settings.registrar == "route53":
        by_mode["live"] = _route53(settings)
    return Market(
        registrars=Registrars(by_mode),
        margin=Margin(settings.domain_margin),
        rdap=_rdap(settings),
    )


def deliverers(house: House, market: Market, *, name_servers: tuple[str, ...]) -> Deliverers:
    """Who delivers what is ordered, by the kind of order."""
    settings = house.settings
    shop = Shop(
        database=house.database,
        market=market,
        name_server_pool=name_servers,
        mail_hostname=settings.mx_hostname,
        mailboxes_per_domain=settings.mailboxes_per_domain,
    )
    return {PURCHASE: partial(deliver, shop), RENEWAL: partial(deliver, shop)}


def expiry(house: House) -> Callable[[str], Awaitable[bool]]:
    """Tells whether a registration has expired, as far as its registry says so. Raises BadBootstrapFile."""
    rdap = _rdap(house.settings)

    async def expired(name: str) -> bool:
        if names.is_under(name, names.SANDBOX_SUFFIX):
            async with house.database.system_statement() as tx:
                return await registry.is_expired(tx, name)
        return rdap is not None and await rdap.has_expired(name, now=clock.now())

    return expired


def purchase_links(house: House) -> PurchaseLinks:
    return PurchaseLinks(payments.public_base(house), house.secrets.derive("purchase links"))


def _rdap(settings: Settings) -> Rdap | None:
    path = settings.rdap_bootstrap
    return None if path is None else Rdap(read_servers(path), Guard(policy=VENDOR))


def _route53(settings: Settings) -> Registrar:
    if settings.aws_access_key_id is None or settings.aws_secret_access_key is None:
        raise RegistrarKeysMissing
    from litemail.providers.registrar import route53  # noqa: PLC0415 - a large library, seldom set up

    return route53.connect(
        access_key_id=settings.aws_access_key_id,
        secret_access_key=settings.aws_secret_access_key.get_secret_value(),
        guard=Guard(policy=VENDOR),
    )
