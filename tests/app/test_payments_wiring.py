"""Which gateways an installation has, and how they are reached."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from litemail.app import payments
from litemail.app.house import House
from litemail.config import Settings
from litemail.kit.db import Database
from litemail.kit.notify import Listener
from litemail.kit.outbound import VENDOR, AddressNotAllowed, ListedOnly, OutsideHost, PublicOnly
from litemail.kit.ports import PortBook, ServerNotStarted
from litemail.kit.secrets import Secrets
from litemail.providers.payments import NoGateway, UnknownGateway

BOTH: dict[str, Any] = {"stripe_secret_key": "sk_test_x", "stripe_webhook_secret": "whsec_x"}


def settings(folder: Path, **given: Any) -> Settings:
    return Settings(**{"data_dir": folder, **given})


def house(database: Database, secrets: Secrets, folder: Path, **given: Any) -> House:
    listener = Listener(database.system_url, channels=())
    ports = PortBook(folder / "ports.json")
    return House(settings(folder, **given), database, secrets, listener, ports)


def test_without_keys_only_sandboxes_take_payments(database: Database, secrets: Secrets, tmp_path: Path) -> None:
    gateways = payments.gateways(house(database, secrets, tmp_path))
    assert gateways.of_mode("sandbox").name == "sandbox"
    with pytest.raises(NoGateway):
        gateways.of_mode("live")
    with pytest.raises(UnknownGateway):
        gateways.get("stripe")


def test_with_keys_live_workspaces_pay_through_stripe(database: Database, secrets: Secrets, tmp_path: Path) -> None:
    gateways = payments.gateways(house(database, secrets, tmp_path, **BOTH))
    assert gateways.of_mode("live").name == "stripe"
    assert gateways.get("stripe") is gateways.of_mode("live")
    assert gateways.of_mode("sandbox").name == "sandbox"


@pytest.mark.parametrize("alone", list(BOTH))
def test_one_key_without_the_other_is_refused(database: Database, secrets: Secrets, tmp_path: Path, alone: str) -> None:
    with pytest.raises(payments.StripeHalfSet) as refused:
        payments.gateways(house(database, secrets, tmp_path, **{alone: BOTH[alone]}))
    assert BOTH[alone] not in str(refused.value)


def test_stripe_is_reached_as_a_vendor_and_a_double_of_it_alone(tmp_path: Path) -> None:
    assert payments.stripe_guard(settings(tmp_path)).policy == VENDOR
    double = payments.stripe_guard(settings(tmp_path, stripe_api_base="http://localhost:8420"))
    assert isinstance(double.policy, ListedOnly)
    assert dict(double.policy.routes) == {("localhost", 8420): ("127.0.0.1", 8420)}
    with pytest.raises(OutsideHost):
        double.check("localhost", 8421)
    elsewhere = payments.stripe_guard(settings(tmp_path, stripe_api_base="https://10.0.0.1"))
    with pytest.raises(AddressNotAllowed):
        elsewhere.check("10.0.0.1", 443)


def test_links_lead_to_where_people_reach_the_api(database: Database, secrets: Secrets, tmp_path: Path) -> None:
    own = house(database, secrets, tmp_path)
    with pytest.raises(ServerNotStarted):
        payments.pay_links(own).link("page_01k5m3v8w0e3t9f7a2b4c6d8ee")
    own.ports.write({"http": 1234})
    assert payments.pay_links(own).link("page_01k5m3v8w0e3t9f7a2b4c6d8ee").startswith("http://127.0.0.1:1234/pay/01k5")
    public = house(database, secrets, tmp_path, public_url="https://mail.example.com")
    assert payments.pay_links(public).link("page_1").startswith("https://mail.example.com/pay/")


@pytest.mark.parametrize(
    "url", ["mail.example.com", "https://a.example/", "ftp://a.example", "https://a b", "https://"]
)
def test_a_public_url_that_cannot_be_one_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValidationError):
        settings(tmp_path, public_url=url)


def test_the_sandboxs_events_take_the_shortest_way_home(database: Database, secrets: Secrets, tmp_path: Path) -> None:
    own = house(database, secrets, tmp_path, public_url="https://mail.example.com")
    outside = payments.gateway_hook(own).door()
    assert outside.url == "https://mail.example.com/v1/gateways/sandbox/events"
    assert isinstance(outside.guard.policy, PublicOnly)
    own.ports.write({"http": 1234})
    inside = payments.gateway_hook(own).door()
    assert inside.url == "http://127.0.0.1:1234/v1/gateways/sandbox/events"
    assert isinstance(inside.guard.policy, ListedOnly)
    with pytest.raises(ServerNotStarted):
        payments.gateway_hook(house(database, secrets, tmp_path / "empty")).door()
