"""The payment gateways of an installation: the sandbox's own for sandbox workspaces, Stripe for live ones."""

from collections.abc import Callable
from urllib.parse import urlsplit

from litemail.app.house import House
from litemail.config import Settings
from litemail.kit.actor import Mode
from litemail.kit.errors import Error
from litemail.kit.outbound import HTTP_OR_HTTPS, VENDOR, Guard, ListedOnly, PublicOnly, client_tls, own_routes
from litemail.providers.payments import Gateway, Gateways
from litemail.providers.payments.sandbox import PayLinks, SandboxGateway
from litemail.servers.sandbox.gateway import SqlBooks
from litemail.servers.sandbox.gateway_jobs import GatewayHook, HookDoor

_LOOPBACK = {"localhost": "127.0.0.1", "127.0.0.1": "127.0.0.1", "::1": "::1"}
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOOK_PATH = "/v1/gateways/sandbox/events"
_OUTSIDE = PublicOnly(schemes=HTTP_OR_HTTPS)


class StripeHalfSet(Error):
    code = "stripe.half_set"
    message = "LITEMAIL_STRIPE_SECRET_KEY and LITEMAIL_STRIPE_WEBHOOK_SECRET are of use only together."
    action = "Set both, or none. Stripe shows the second one beside the webhook."


def gateways(house: House) -> Gateways:
    """Raises StripeHalfSet."""
    by_mode: dict[Mode, Gateway] = {
        "sandbox": SandboxGateway(SqlBooks(house.database), pay_links(house), _webhook_secret(house))
    }
    settings = house.settings
    if (settings.stripe_secret_key is None) != (settings.stripe_webhook_secret is None):
        raise StripeHalfSet
    if settings.stripe_secret_key and settings.stripe_webhook_secret:
        from litemail.providers.payments.stripe import StripeGateway  # noqa: PLC0415 - a large library, seldom set up

        by_mode["live"] = StripeGateway(
            secret_key=settings.stripe_secret_key.get_secret_value(),
            webhook_secret=settings.stripe_webhook_secret.get_secret_value(),
            guard=stripe_guard(settings),
            return_url=lambda: f"{public_base(house)()}/pay/done",
            api_base=settings.stripe_api_base,
        )
    return Gateways(by_mode)


def pay_links(house: House) -> PayLinks:
    return PayLinks(public_base(house), house.secrets.derive("sandbox pay links"))


def gateway_hook(house: House) -> GatewayHook:
    """Our own webhook, as the sandbox's gateway reaches it: on this machine, else where people reach the API."""
    tls = client_tls()

    def door() -> HookDoor:
        port = house.ports.all().get("http")
        if port is None and house.settings.public_url is not None:
            return HookDoor(house.settings.public_url + _HOOK_PATH, Guard(policy=_OUTSIDE, tls=tls))
        here = house.settings.reachable_host
        port = house.ports["http"]
        table = own_routes(hosts=[here], ports={port}, address=here)
        return HookDoor(f"http://{_in_url(here)}:{port}{_HOOK_PATH}", Guard(policy=ListedOnly(table), tls=tls))

    return GatewayHook(door, _webhook_secret(house))


def public_base(house: House) -> Callable[[], str]:
    """Where people reach the API. The port is looked up at each use: it may not be open yet."""

    def base() -> str:
        if house.settings.public_url is not None:
            return house.settings.public_url
        return f"http://{_in_url(house.settings.reachable_host)}:{house.ports['http']}"

    return base


def stripe_guard(settings: Settings) -> Guard:
    """The way to Stripe; to a test double on this machine if the settings say so, and to nothing else there."""
    parts = urlsplit(settings.stripe_api_base)
    address = _LOOPBACK.get(parts.hostname or "")
    if address is None:
        return Guard(policy=VENDOR)
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    return Guard(policy=ListedOnly(own_routes(hosts=[parts.hostname or ""], ports={port}, address=address)))


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _webhook_secret(house: House) -> bytes:
    return house.secrets.derive("sandbox gateway webhook")
