"""Who may be connected to for a customer's DNS provider, before anything is connected to."""

import pytest

from litemail.domains import DnsDoors
from litemail.kit.actor import Mode
from litemail.kit.errors import Error
from litemail.providers.dns.publishing import Endpoint, cloudflare, powerdns, providers
from tests.conftest import guards

PRIVATE = {("10.1.2.3", 8081): ("10.1.2.3", 8081), ("::1", 8081): ("::1", 8081)}
DOORS = DnsDoors(providers([powerdns.provider(), cloudflare.provider()]), guards(), PRIVATE)


def read(mode: Mode, url: str) -> Endpoint:
    access = DOORS.read("powerdns", {"api_url": url, "api_key": "k"}, mode=mode, field="dns")
    return access.provider.endpoint(access.credentials)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://dns.example.com", "dns.example.com", 443),
        ("https://DNS.example.com:8443/", "dns.example.com", 8443),
        ("https://dns.example.com:8443/api/v1", "dns.example.com", 8443),
        ("http://10.1.2.3:8081", "10.1.2.3", 8081),
        ("http://[::1]:8081", "::1", 8081),
    ],
)
def test_live_workspaces_reach_public_hosts_by_https_and_what_the_operator_allows(url: str, host: str, port: int):
    assert read("live", url) == Endpoint(url.partition(":")[0], host, port)


@pytest.mark.parametrize(
    ("mode", "url", "code"),
    [
        ("live", "http://dns.example.com:8081", "outbound.url_invalid"),
        ("live", "https://127.0.0.1:8443", "outbound.address_not_allowed"),
        ("live", "https://10.1.2.3:8082", "outbound.address_not_allowed"),
        ("live", "https://169.254.169.254", "outbound.address_not_allowed"),
        ("live", "https://[::ffff:10.0.0.1]", "outbound.address_not_allowed"),
        ("live", "https://user:pass@dns.example.com", "outbound.url_invalid"),
        ("live", "https://dns.example.com/other/path", "outbound.url_invalid"),
        ("live", "https://0x7f.1", "outbound.host_invalid"),
        ("sandbox", "https://dns.example.com", "sandbox.outside_host"),
        ("sandbox", "http://127.0.0.1:8993", "sandbox.outside_host"),
    ],
)
def test_everything_else_is_refused(mode: Mode, url: str, code: str):
    with pytest.raises(Error) as refused:
        read(mode, url)
    assert refused.value.code == code


def test_a_sandbox_reaches_what_the_operator_allows():
    assert read("sandbox", "http://10.1.2.3:8081").host == "10.1.2.3"


def test_credentials_do_not_show_in_texts():
    access = DOORS.read("cloudflare", {"api_token": "a-secret"}, mode="live", field="dns")
    assert "a-secret" not in repr(access)
