"""What forwarding needs to know of an installation: its own names and addresses, and how mail leaves it."""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from litemail.app.house import House
from litemail.config import Settings
from litemail.kit.errors import Error
from litemail.kit.mailer import Mailer, parse_relay


class BadAddresses(Error):
    code = "settings.bad_addresses"
    message = "{setting} cannot be read: {reason}."
    action = "Write IP addresses or networks, separated by commas."


def redirect_addresses(settings: Settings) -> tuple[str, ...]:
    """What the records of forwarded domains say; nothing where we listen on a name. Raises BadAddresses."""
    given = settings.redirect_addresses or settings.reachable_host
    try:
        return tuple(str(ip_address(text.strip())) for text in given.split(","))
    except ValueError as error:
        if settings.redirect_addresses is None:
            return ()
        raise BadAddresses(setting="LITEMAIL_REDIRECT_ADDRESSES", reason=error) from error


def internal_networks(settings: Settings) -> tuple[IPv4Network | IPv6Network, ...]:
    """Raises BadAddresses."""
    try:
        return tuple(ip_network(text.strip()) for text in settings.internal_networks.split(","))
    except ValueError as error:
        raise BadAddresses(setting="LITEMAIL_INTERNAL_NETWORKS", reason=error) from error


def own_hosts(settings: Settings, name_servers: tuple[str, ...]) -> tuple[str, ...]:
    """The names under which our own servers are known."""
    public = urlsplit(settings.public_url).hostname if settings.public_url else None
    return (*name_servers, settings.mx_hostname, *([public] if public else []))


def mailer(house: House) -> Mailer:
    """Raises BadRelay."""
    settings = house.settings
    relay = settings.smtp_relay
    return Mailer(
        settings.data_dir / "outbox",
        parse_relay(relay.get_secret_value()) if relay else None,
        hostname=settings.mx_hostname,
    )
