"""Where domains are bought: the sandbox's own registrar for sandbox workspaces, Amazon Route 53 for live ones."""

from litemail.app.house import House
from litemail.config import Settings
from litemail.domains import Margin, Market
from litemail.kit.actor import Mode
from litemail.kit.errors import Error
from litemail.kit.outbound import VENDOR, Guard
from litemail.providers.registrar import Registrar, Registrars
from litemail.providers.registrar.rdap import Rdap, read_servers
from litemail.servers.sandbox.registrar import SandboxRegistrar


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
    path = settings.rdap_bootstrap
    return Market(
        registrars=Registrars(by_mode),
        margin=Margin(settings.domain_margin),
        rdap=None if path is None else Rdap(read_servers(path), Guard(policy=VENDOR)),
    )


def _route53(settings: Settings) -> Registrar:
    if settings.aws_access_key_id is None or settings.aws_secret_access_key is None:
        raise RegistrarKeysMissing
    from litemail.providers.registrar import route53  # noqa: PLC0415 - a large library, seldom set up

    return route53.connect(
        access_key_id=settings.aws_access_key_id,
        secret_access_key=settings.aws_secret_access_key.get_secret_value(),
        guard=Guard(policy=VENDOR),
    )
