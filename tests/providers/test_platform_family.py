"""The registry, the pacer and the redaction that all sending platforms share."""

import asyncio

import msgspec
import pytest

from litemail.kit.errors import Error
from litemail.providers import platform
from litemail.providers.platform import Limits, Pacer, errors, instantly
from litemail.providers.platform.redaction import redact

REGISTRY = platform.registry([instantly.adapter()])


def test_a_built_platform_is_got() -> None:
    assert REGISTRY.get("instantly").declaration.name == "Instantly"


@pytest.mark.parametrize(
    ("platform_type", "error", "words"),
    [
        ("instantli", platform.UnknownPlatform, "instantly, smartlead"),
        ("", platform.UnknownPlatform, "generic"),
        ("x" * 9999, platform.UnknownPlatform, "woodpecker"),
        ("reply_io", platform.FileOnly, "Reply.io"),
    ],
)
def test_any_other_is_told_apart(platform_type: str, error: type[Error], words: str) -> None:
    with pytest.raises(error, match=words) as raised:
        REGISTRY.get(platform_type)
    assert raised.value.problem().field == "platform_type"
    assert len(str(raised.value)) < 500


def test_every_error_has_a_code_of_its_family_and_says_what_to_do() -> None:
    kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.PlatformError)]
    concrete = [one for one in kinds if "code" in vars(one)]
    assert len({one.code for one in concrete}) == len(concrete) >= 15
    for one in concrete:
        assert one.code.split(".")[0] in {"platform", "inbox"}
        assert one.action
        assert issubclass(one, errors.TryAgain) == one.retryable


def test_a_declaration_can_be_shown() -> None:
    shown = msgspec.json.decode(msgspec.json.encode(REGISTRY.get("instantly").declaration))
    assert shown["limits"]["concurrency"] == 50
    assert {field["field"] for field in shown["credentials"]} == {
        "api_key",
        "platform_email",
        "platform_pass",
        "workspace",
    }


async def test_turns_are_spaced_by_the_rate_in_the_order_asked() -> None:
    pacer = Pacer(Limits(per_second=100, per_minute=100_000, concurrency=10))
    starts: list[tuple[int, float]] = []
    loop = asyncio.get_running_loop()

    async def take(number: int) -> None:
        async with pacer.turn():
            starts.append((number, loop.time()))

    await asyncio.gather(*(take(number) for number in range(20)))
    assert [number for number, _ in starts] == list(range(20))
    assert starts[-1][1] - starts[0][1] >= 0.18


async def test_no_more_turns_at_once_than_allowed() -> None:
    pacer = Pacer(platform.twin_limits(Limits(per_second=1, per_minute=1, concurrency=3), None))
    running = most = 0

    async def take() -> None:
        nonlocal running, most
        async with pacer.turn():
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1

    await asyncio.gather(*(take() for _ in range(12)))
    assert most == 3


async def test_a_rest_holds_back_those_who_wait_already_and_loses_none() -> None:
    pacer = Pacer(Limits(per_second=50, per_minute=100_000, concurrency=10))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    starts: list[float] = []

    async def take() -> None:
        async with pacer.turn():
            starts.append(loop.time() - begun)

    waiting = [asyncio.create_task(take()) for _ in range(5)]
    await asyncio.sleep(0)
    pacer.rest(0.3)
    await asyncio.gather(*waiting)
    assert len([start for start in starts if start < 0.29]) <= 1
    assert len(starts) == len(waiting)


async def test_a_cancelled_turn_frees_its_place() -> None:
    pacer = Pacer(platform.twin_limits(Limits(per_second=1, per_minute=1, concurrency=1), 1))
    async with pacer.turn():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), pacer.turn():
                pass
    pacer = Pacer(platform.twin_limits(Limits(per_second=1, per_minute=1, concurrency=1), None))
    async with pacer.turn():
        pass
    async with asyncio.timeout(1), pacer.turn():
        pass


async def test_no_stretch_of_a_minute_has_more_turns_than_allowed() -> None:
    pacer = Pacer(Limits(per_second=1000, per_minute=20, per_hour=10, concurrency=10))
    for _ in range(10):
        async with pacer.turn():
            pass
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), pacer.turn():
            pass


async def test_rests_grow_while_the_platform_refuses_and_begin_anew_once_it_answers() -> None:
    pacer = Pacer(Limits(per_second=1000, per_minute=1000, concurrency=10))
    loop = asyncio.get_running_loop()
    rests = []
    for _ in range(3):
        rests.append(pacer.refused(None))
        assert pacer.refused(None) < rests[-1] * 2.01, "what is refused together counts once"
        await asyncio.sleep(0)
        pacer._resume = loop.time()  # as if the rest were over
    assert 0.25 <= rests[0] <= 0.5
    assert 0.5 <= rests[1] <= 1
    assert 1 <= rests[2] <= 2
    assert pacer.refused(7) == 7
    pacer.heard()
    pacer._resume = loop.time()
    assert pacer.refused(None) <= 0.5


def test_a_twin_is_paced_by_its_set_rate_only() -> None:
    limits = Limits(per_second=50, per_minute=3000, concurrency=7)
    assert platform.twin_limits(limits, None).per_second == float("inf")
    assert platform.twin_limits(limits, 10).per_second == 9
    assert platform.twin_limits(limits, 0).per_second > 0
    assert platform.twin_limits(limits, 10).concurrency == 7


@pytest.mark.parametrize(
    ("text", "secrets", "shown"),
    [
        ("no secret", ("hidden",), "no secret"),
        ("a hidden b hidden", ("hidden",), "a [redacted] b [redacted]"),
        ("longer hidden-more", ("hidden", "hidden-more"), "longer [redacted]"),
        ("short ab c", ("ab",), "[redacted]"),
        ("nothing", ("", "xyz"), "nothing"),
        ("line\nbreak\x1b[31m", (), "line break [31m"),
        ("x" * 30, (), "x" * 19 + "…"),
    ],
)
def test_secrets_and_control_characters_are_taken_out(text: str, secrets: tuple[str, ...], shown: str) -> None:
    assert redact(text, secrets, bound=20 if len(text) == 30 else 100) == shown
