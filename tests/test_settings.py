"""Settings: where they come from, and how a wrong one is told."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from litemail.cli import main
from litemail.config import DEFAULT_DATA_DIR, Settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("LITEMAIL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LITEMAIL_DATA_DIR", str(tmp_path))


def test_defaults_need_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("LITEMAIL_DATA_DIR")
    settings = read()
    assert settings.data_dir == DEFAULT_DATA_DIR
    assert (settings.http_port, settings.dns_port, settings.smtp_port, settings.submission_port) == (
        8080,
        8053,
        8025,
        8587,
    )
    assert (settings.imap_port, settings.imaps_port) == (8143, 8993)
    assert (settings.sandbox_http_port, settings.sandbox_imap_port, settings.sandbox_smtp_port) == (0, 0, 0)
    assert settings.rate_limit == 50
    assert settings.database_url is None


def test_options_win_over_the_environment_and_that_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "litemail.toml").write_text('http_port = 1\ndns_port = 1\nsmtp_port = 1\nhost = "127.0.0.9"\n')
    monkeypatch.setenv("LITEMAIL_HTTP_PORT", "2")
    monkeypatch.setenv("LITEMAIL_DNS_PORT", "2")
    settings = read(http_port=3)
    assert (settings.http_port, settings.dns_port, settings.smtp_port) == (3, 2, 1)
    assert settings.host == "127.0.0.9"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PORT", "x"),
        ("HTTP_PORT", "65536"),
        ("HTTP_PORT", "-1"),
        ("HTTP_PORT", ""),
        ("LIVE_WORKSPACES", "everybody"),
        ("LOG_LEVEL", "loud"),
        ("REGISTRATION_OPEN", "perhaps"),
        ("DATABASE_POOL", "1"),
        ("RATE_LIMIT", "-1"),
    ],
)
def test_a_wrong_variable_is_told_by_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
):
    monkeypatch.setenv(f"LITEMAIL_{name}", value)
    with pytest.raises(ValidationError):
        read()
    with pytest.raises(SystemExit) as ended:
        main(["migrate"])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert f"LITEMAIL_{name}" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("text", ["http_prot = 1\n", "http_port = [1]\n", "http_port = \n", "= 1", "\xff"])
def test_a_wrong_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str):
    (tmp_path / "litemail.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(SystemExit) as ended:
        main(["migrate"])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "litemail.toml" in said or "HTTP_PORT" in said or "HTTP_PROT" in said
    assert "Traceback" not in said


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LITEMAIL_DATABASE_URL", "postgresql://owner:hush@db/x")
    monkeypatch.setenv("LITEMAIL_MASTER_KEYS", "k1:hush")
    settings = read()
    assert isinstance(settings.database_url, SecretStr)
    assert "hush" not in repr(settings) + str(settings) + settings.model_dump_json()


def test_every_setting_says_what_it_means():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def read(**options: Any) -> Settings:
    return Settings(**options)


def test_addresses_that_listen_everywhere_are_reached_here():
    assert read(host="0.0.0.0").reachable_host == "127.0.0.1"
    assert read(host="::").reachable_host == "::1"
    assert read(host="192.0.2.1").reachable_host == "192.0.2.1"


def test_a_bad_database_url_ends_a_command_in_a_line_or_two(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "litemail", "migrate"],
        env={
            **os.environ,
            "LITEMAIL_DATA_DIR": str(tmp_path),
            "LITEMAIL_DATABASE_URL": "postgresql://x:hush@127.0.0.1:1/x",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert "LITEMAIL_DATABASE_URL" in done.stderr
    assert "hush" not in done.stderr
    assert "Traceback" not in done.stderr
    assert json.dumps(done.stdout) == '""'
