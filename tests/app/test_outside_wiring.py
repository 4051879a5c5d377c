"""How a platform's twin signs in to inboxes: at our own listeners, and nowhere else."""

from pathlib import Path

import pytest

from litemail.app.outside import twin_sign_in
from litemail.kit.outbound import Guard, ListedOnly
from litemail.kit.ports import PortBook
from litemail.servers.sandbox.store import MailDoor


@pytest.mark.parametrize("host", ["imap.example.com", "10.0.0.1", "..", "a b"])
async def test_a_host_that_is_not_ours_is_a_sign_in_that_failed(tmp_path: Path, host: str) -> None:
    sign_in = twin_sign_in(PortBook(tmp_path / "ports.json"), Guard(policy=ListedOnly({("localhost", 993): ("", 0)})))
    said = await sign_in(
        imap=MailDoor(host, 993, "ada@example.com", "secret"), smtp=MailDoor(host, 587, "ada@example.com", "secret")
    )
    assert said
    assert host in said
    assert "secret" not in said
