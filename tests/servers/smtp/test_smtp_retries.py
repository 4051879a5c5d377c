import pytest

from litemail.servers.smtp import retries
from litemail.servers.smtp.retries import RetryMemory, StillDelivering, fingerprint

KEY = fingerprint("al@ours.test", b"Hi")


def test_what_was_delivered_is_not_needed_again_until_it_is_forgotten() -> None:
    memory = RetryMemory()
    assert memory.claim(KEY, {"al", "bo"}, now=0) == {"al", "bo"}
    memory.settle(KEY, {"al", "bo"}, delivered={"al"}, now=1)
    assert memory.claim(KEY, {"al", "bo"}, now=2) == {"bo"}
    memory.settle(KEY, {"bo"}, delivered={"bo"}, now=3)
    assert memory.claim(KEY, {"al", "bo"}, now=4) == set()
    memory.forget(KEY, {"al", "bo"})
    assert len(memory) == 0
    assert memory.claim(KEY, {"al"}, now=5) == {"al"}


def test_a_message_is_not_delivered_twice_at_the_same_time() -> None:
    memory = RetryMemory()
    memory.claim(KEY, {"al", "bo"}, now=0)
    with pytest.raises(StillDelivering):
        memory.claim(KEY, {"bo", "cy"}, now=0)
    assert memory.claim(KEY, {"cy"}, now=0) == {"cy"}
    assert memory.claim(fingerprint("al@ours.test", b"Ho"), {"al"}, now=0) == {"al"}
    memory.settle(KEY, {"al", "bo"}, delivered=set(), now=1)
    assert memory.claim(KEY, {"bo"}, now=1) == {"bo"}


def test_memory_is_bounded_in_time_and_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "CAPACITY", 3)  # the limit is a constant, and a hundred thousand are many
    memory = RetryMemory()
    for number in range(10):
        memory.settle(KEY, set(), delivered={str(number)}, now=number)
    assert len(memory) == 3
    assert memory.claim(KEY, {"9"}, now=10) == set()
    assert memory.claim(KEY, {"9"}, now=10 + retries.LIFETIME) == {"9"}
    assert len(memory) == 0


def test_a_fingerprint_tells_senders_and_contents_apart() -> None:
    assert fingerprint("a", b"bc") != fingerprint("ab", b"c")
    assert fingerprint("", b"Hi") != KEY
