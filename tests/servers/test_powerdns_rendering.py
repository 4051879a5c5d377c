"""The configuration that `litemail dataplane render powerdns` writes."""

from pathlib import Path
from typing import Any

import pytest

from litemail.app.dataplane import DatabaseUrlNeeded, render_powerdns
from litemail.cli import main
from litemail.config import Settings
from litemail.protocols import soa

DEPLOY = Path(__file__).parent.parent.parent / "deploy" / "powerdns"
EXAMPLE: dict[str, Any] = {
    "database_url": "postgresql://litemail:secret@db.example.com/litemail",
    "name_server_domain": "dns.example.com",
}


def test_the_rendered_example_is_current():
    """`LITEMAIL_NAME_SERVER_DOMAIN=dns.example.com litemail dataplane render powerdns deploy/powerdns` writes it."""
    rendered = render_powerdns(Settings(**EXAMPLE))
    assert {path.name: path.read_text() for path in DEPLOY.iterdir()} == dict(rendered)


def test_no_secret_is_rendered():
    assert "secret" not in "".join(render_powerdns(Settings(**EXAMPLE)).values())


def test_a_contact_with_dots_is_one_label():
    conf = render_powerdns(Settings(**EXAMPLE))["pdns.conf"]
    assert "litemail.hostmaster=hostmaster.dns.example.com'" in conf


def test_without_a_resolver_alias_records_are_not_expanded():
    conf = render_powerdns(Settings(**EXAMPLE, dns_resolvers=""))["pdns.conf"]
    assert "expand-alias=no" in conf
    assert "resolver=" not in conf


def test_the_views_say_what_our_own_server_says_of_a_zone():
    migration = Path(soa.__file__).parent.parent / "migrations" / "0027_powerdns_views.sql"
    numbers = f"{soa.REFRESH}, {soa.RETRY}, {soa.EXPIRE}, {soa.NEGATIVE_TTL}),\n       {soa.TTL},"
    assert numbers in migration.read_text()


def test_the_embedded_database_cannot_be_read_by_others():
    with pytest.raises(DatabaseUrlNeeded):
        render_powerdns(Settings(**{**EXAMPLE, "database_url": None}))


def test_the_command_writes_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("LITEMAIL_DATABASE_URL", EXAMPLE["database_url"])
    with pytest.raises(SystemExit) as ended:
        main(["dataplane", "render", "powerdns", str(tmp_path / "made"), "--data-dir", str(tmp_path)])
    assert ended.value.code in {0, None}
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["pdns.conf", "role.sql"]
    assert "pdns.conf" in capsys.readouterr().out
