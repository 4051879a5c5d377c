"""Which registrars an installation has, what it adds to their prices, and whom it asks without one."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from litemail.app import registrars
from litemail.app.house import House
from litemail.config import Settings
from litemail.domains import PURCHASE, RENEWAL
from litemail.kit.db import Database
from litemail.kit.money import Money
from litemail.kit.notify import Listener
from litemail.kit.ports import PortBook
from litemail.kit.secrets import Secrets
from litemail.providers.registrar import NoRegistrar, RegistrarGone
from litemail.providers.registrar.rdap import BadBootstrapFile

ROUTE53: dict[str, Any] = {
    "registrar": "route53",
    "aws_access_key_id": "AKIATEST",
    "aws_secret_access_key": "very-secret",
}


def house(database: Database, secrets: Secrets, folder: Path, **given: Any) -> House:
    settings = Settings(**{"data_dir": folder, **given})
    listener = Listener(database.system_url, channels=())
    return House(settings, database, secrets, listener, PortBook(folder / "ports.json"))


def test_without_settings_only_sandboxes_buy(database: Database, secrets: Secrets, tmp_path: Path) -> None:
    market = registrars.market(house(database, secrets, tmp_path))
    assert market.registrars.of_mode("sandbox").name == "sandbox"
    assert market.registrars.find_of_mode("live") is None
    assert market.rdap is None
    with pytest.raises(NoRegistrar):
        market.registrars.of_mode("live")
    with pytest.raises(RegistrarGone):
        market.registrars.get("route53")


async def test_with_settings_live_workspaces_buy_at_route_53(
    database: Database, secrets: Secrets, tmp_path: Path
) -> None:
    market = registrars.market(house(database, secrets, tmp_path, **ROUTE53, domain_margin=Decimal("12.5")))
    assert market.registrars.of_mode("live") is market.registrars.get("route53")
    assert market.margin.price(Money(1200)) == Money(1350)
    assert market.margin.price(Money(1)) == Money(2)


@pytest.mark.parametrize("missing", ["aws_access_key_id", "aws_secret_access_key"])
def test_keys_that_are_missing_are_named(database: Database, secrets: Secrets, tmp_path: Path, missing: str) -> None:
    given = {name: value for name, value in ROUTE53.items() if name != missing}
    with pytest.raises(registrars.RegistrarKeysMissing) as refused:
        registrars.market(house(database, secrets, tmp_path, **given))
    assert "very-secret" not in str(refused.value)


def test_a_bootstrap_file_is_read_or_refused(database: Database, secrets: Secrets, tmp_path: Path) -> None:
    file = tmp_path / "rdap.json"
    file.write_text('{"services": [[["com"], ["https://rdap.example/"]]]}')
    assert registrars.market(house(database, secrets, tmp_path, rdap_bootstrap=file)).rdap is not None
    with pytest.raises(BadBootstrapFile):
        registrars.market(house(database, secrets, tmp_path, rdap_bootstrap=tmp_path / "nothing"))


def test_what_is_ordered_has_somebody_who_delivers_it(database: Database, secrets: Secrets, tmp_path: Path) -> None:
    made = house(database, secrets, tmp_path)
    market = registrars.market(made)
    assert set(registrars.deliverers(made, market, name_servers=("ns1.a.test", "ns2.a.test"))) == {PURCHASE, RENEWAL}


def test_amazons_library_is_loaded_only_where_it_is_set_up() -> None:
    loads = "import sys, litemail.app.parts; print([name for name in ('boto3', 'botocore') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"
