import asyncio
import ssl
import stat
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from litemail.kit import local_ca
from litemail.kit.local_ca import LocalCa, ensure

NAMES = ["mail.example.test", "localhost", "127.0.0.1", "::1"]


async def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> tuple[str | None, str]:
    """The SNI name that the server saw, and the TLS version."""
    seen: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.set_result(local_ca.requested_name(writer.get_extra_info("ssl_object")))
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server)
    port = listener.sockets[0].getsockname()[1]
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
        version = writer.get_extra_info("ssl_object").version()
        writer.close()
        await writer.wait_closed()
        return await seen, version
    finally:
        listener.close()
        await listener.wait_closed()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> LocalCa:
    return ensure(tmp_path_factory.mktemp("ca"))


@pytest.mark.parametrize("name", NAMES)
async def test_a_client_that_trusts_the_authority_connects_by_each_name(authority: LocalCa, name: str) -> None:
    seen, version = await handshake(authority.server_context(NAMES), authority.client_context(), name)
    assert seen == (name if name.isalpha() or "test" in name else None)  # RFC 6066: no addresses in SNI
    assert version == "TLSv1.3"


async def test_other_names_and_other_clients_are_refused(authority: LocalCa) -> None:
    server = authority.server_context(NAMES)
    with pytest.raises(ssl.SSLCertVerificationError):
        await handshake(server, authority.client_context(), "other.example.test")
    with pytest.raises(ssl.SSLCertVerificationError):
        await handshake(server, ssl.create_default_context(), "localhost")


async def test_old_tls_is_refused(authority: LocalCa) -> None:
    assert authority.server_context(NAMES).minimum_version is ssl.TLSVersion.TLSv1_2
    assert authority.client_context().minimum_version is ssl.TLSVersion.TLSv1_2
    client = authority.client_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert (await handshake(authority.server_context(NAMES), client, "localhost"))[1] == "TLSv1.2"


async def test_a_client_of_strict_rules_is_content(authority: LocalCa) -> None:
    client = authority.client_context()
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    await handshake(authority.server_context(NAMES), client, "localhost")


def test_the_authority_is_made_once_and_its_keys_are_private(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "ca"
    first = ensure(folder).ca_file.read_bytes()
    assert ensure(folder).ca_file.read_bytes() == first
    ensure(folder).server_context(NAMES)
    secrets = [folder / "ca.key", *folder.glob("leaf-*.pem")]
    assert len(secrets) == 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def leaf_of(folder: Path) -> bytes:
    (leaf,) = folder.glob("leaf-*.pem")
    return leaf.read_bytes()


def test_a_leaf_is_kept_until_it_nears_its_end(tmp_path: Path) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    authority = ensure(tmp_path, now=start)
    authority.server_context(NAMES, now=start)
    first = leaf_of(tmp_path)
    authority.server_context(list(reversed(NAMES)), now=start + timedelta(days=300))
    assert leaf_of(tmp_path) == first
    authority.server_context(NAMES, now=start + timedelta(days=340))
    assert leaf_of(tmp_path) != first


def test_a_leaf_is_made_anew_for_other_names_and_when_it_is_broken(tmp_path: Path) -> None:
    authority = ensure(tmp_path)
    authority.server_context(NAMES)
    (leaf,) = tmp_path.glob("leaf-*.pem")
    leaf.write_bytes(leaf.read_bytes()[:200])
    authority.server_context(NAMES)
    authority.server_context([*NAMES, "imap.gmail.com"])
    assert len(list(tmp_path.glob("leaf-*.pem"))) == 2
    (tmp_path / "ca.key").unlink()
    broken = leaf.read_bytes()
    ensure(tmp_path).server_context(NAMES)
    assert leaf.read_bytes() != broken


def test_it_takes_milliseconds(tmp_path: Path) -> None:
    start = time.process_time()
    ensure(tmp_path).server_context(NAMES)
    assert time.process_time() - start < 0.2


def test_an_unknown_connection_has_no_requested_name() -> None:
    assert local_ca.requested_name(None) is None
