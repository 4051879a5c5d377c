import pytest

from litemail.servers.smtp import retries
from litemail.servers.smtp.retries import RetryMemory, StillDelivering, fingerprint

KEY = fingerprint("al@ours.test", b"Hi")


def test_what_was_delivered_is_not_needed_again_until_it_is_forgotten() -> None:
    memory = RetryMemory()
    assert memory.needed(KEY, {"al", "bo"}, now=0) == {"al", "bo"}
    memory.remember(KEY, {"al"}, now=1)
    assert memory.needed(KEY, {"al", "bo"}, now=2) == {"bo"}
    memory.forget(KEY, {"al", "bo"})
    assert len(memory) == 0
    assert memory.needed(KEY, {"al"}, now=5) == {"al"}


def test_a_message_whose_client_is_gone_is_not_delivered_again_meanwhile() -> None:
    memory = RetryMemory()
    memory.hold(KEY, {"al", "bo"})
    with pytest.raises(StillDelivering):
        memory.needed(KEY, {"bo", "cy"}, now=0)
    assert memory.needed(KEY, {"cy"}, now=0) == {"cy"}
    assert memory.needed(fingerprint("al@ours.test", b"Ho"), {"al"}, now=0) == {"al"}
    memory.release(KEY, {"al", "bo"})
    assert memory.needed(KEY, {"bo"}, now=1) == {"bo"}


def test_memory_is_bounded_in_time_and_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "CAPACITY", 3)  # the limit is a constant, and a hundred thousand are many
    memory = RetryMemory()
    for number in range(10):
        memory.remember(KEY, {str(number)}, now=number)
    assert len(memory) == 3
    assert memory.needed(KEY, {"9"}, now=10) == set()
    assert memory.needed(KEY, {"9"}, now=10 + retries.LIFETIME) == {"9"}
    assert len(memory) == 0


def test_a_fingerprint_tells_senders_and_contents_apart() -> None:
    assert fingerprint("a", b"bc") != fingerprint("ab", b"c")
    assert fingerprint("", b"Hi") != KEY
