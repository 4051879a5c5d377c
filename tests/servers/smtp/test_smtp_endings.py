import asyncio
import smtplib
from collections.abc import Awaitable, Callable

import pytest

from litemail.servers.smtp import SmtpServer
from tests.servers.smtp.smtp_world import MESSAGE, Backend, Raw, send


async def test_a_partial_failure_is_temporary_and_the_retry_makes_no_second_copy(
    mx: SmtpServer, backend: Backend
) -> None:
    backend.broken = {"bo"}
    with pytest.raises(smtplib.SMTPDataError) as raised:
        await asyncio.to_thread(send, mx, "al@ours.test", "bo@ours.test")
    assert raised.value.smtp_code == 451
    backend.broken = set()
    await asyncio.to_thread(send, mx, "al@ours.test", "bo@ours.test")
    assert {name: len(messages) for name, messages in backend.stored.items()} == {"al": 1, "bo": 1}
    assert len(mx.retries) == 0
    await asyncio.to_thread(send, mx, "al@ours.test", "bo@ours.test")
    assert {name: len(messages) for name, messages in backend.stored.items()} == {"al": 2, "bo": 2}


async def test_a_delivery_ends_well_when_the_client_leaves_and_its_retry_makes_no_second_copy(
    mx: SmtpServer, backend: Backend
) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        reached.set()
        await go_on.wait()

    backend.before_delivery = wait
    client = await Raw.connect(mx)
    await client.open_data()
    client.writer.write(MESSAGE.replace(b"\r\n.", b"\r\n..") + b".\r\n")
    await reached.wait()
    client.writer.transport.abort()
    with pytest.raises(smtplib.SMTPDataError) as raised:
        await asyncio.to_thread(send, mx, "al@ours.test")
    assert raised.value.smtp_code == 451  # the first is still under way
    go_on.set()
    await asyncio.to_thread(send, mx, "al@ours.test")
    assert len(backend.stored["al"]) == 1


async def test_the_same_message_sent_twice_at_once_on_purpose_arrives_twice(mx: SmtpServer, backend: Backend) -> None:
    both = asyncio.Barrier(2)
    backend.before_delivery = both.wait
    await asyncio.gather(*(asyncio.to_thread(send, mx, "al@ours.test") for _ in range(2)))
    assert len(backend.stored["al"]) == 2


async def test_a_delivery_that_takes_too_long_is_temporary(
    start: Callable[..., Awaitable[SmtpServer]], backend: Backend
) -> None:
    go_on = asyncio.Event()
    backend.before_delivery = go_on.wait
    server = await start("mx", delivery=0.1)
    with pytest.raises(smtplib.SMTPDataError) as raised:
        await asyncio.to_thread(send, server, "al@ours.test")
    assert raised.value.smtp_code == 451
    go_on.set()


async def test_closing_lets_a_message_under_way_end_and_tells_the_others(
    start: Callable[..., Awaitable[SmtpServer]], backend: Backend
) -> None:
    server = await start("mx", drain=20)
    idle, busy = await Raw.connect(server), await Raw.connect(server)
    await busy.open_data()
    closing = asyncio.create_task(server.close())
    assert (await idle.reply()).startswith("421 4.3.2")
    assert await idle.ended()
    assert (await busy.say(b"\r\nHi\r\n.\r\n")).startswith("250")
    assert (await busy.reply()).startswith("421 4.3.2")
    await closing
    assert len(backend.stored["al"]) == 1
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)
    idle.close()
    busy.close()


async def test_closing_cuts_who_does_not_end(start: Callable[..., Awaitable[SmtpServer]], backend: Backend) -> None:
    server = await start("mx", drain=0.1)
    backend.before_delivery = asyncio.Event().wait
    stalled, delivering = await Raw.connect(server), await Raw.connect(server)
    await stalled.open_data()
    await delivering.open_data()
    delivering.writer.write(b"\r\nHi\r\n.\r\n")
    async with asyncio.timeout(10):
        await server.close()
    for client in (stalled, delivering):
        client.close()


async def test_a_hundred_clients_deliver_at_once(mx: SmtpServer, backend: Backend) -> None:
    async def one(number: int) -> None:
        client = await Raw.connect(mx)
        await client.open_data(b"load%d@ours.test" % number)
        assert (await client.say(b"Subject: %d\r\n\r\nHi\r\n.\r\n" % number)).startswith("250")
        assert (await client.say(b"QUIT\r\n")).startswith("221")
        client.close()

    await asyncio.gather(*(one(number) for number in range(100)))
    assert len(backend.stored) == 100
    assert all(b"Subject: %s\r\n" % name[4:].encode() in messages[0] for name, messages in backend.stored.items())
