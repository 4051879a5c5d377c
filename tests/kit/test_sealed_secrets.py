import base64
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemail.kit.secrets import Secrets, SecretUnreadable, load_or_create_keys, parse_keys, token, token_hash

OLD = b"\x01" * 32
NEW = b"\x02" * 32
TEXTS = st.text(max_size=200)


@given(plain=TEXTS, row=TEXTS)
def test_what_was_sealed_opens(plain: str, row: str):
    secrets = Secrets({"k1": OLD})
    assert secrets.open(secrets.seal(plain, row=row), row=row) == plain


@given(plain=TEXTS, row=TEXTS, other=TEXTS)
def test_in_another_row_it_does_not_open(plain: str, row: str, other: str):
    secrets = Secrets({"k1": OLD})
    if row != other:
        with pytest.raises(SecretUnreadable):
            secrets.open(secrets.seal(plain, row=row), row=other)


@given(plain=TEXTS, where=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_one_bit_changed_and_it_does_not_open(plain: str, where: int, bit: int):
    secrets = Secrets({"k1": OLD})
    sealed = bytearray(secrets.seal(plain, row="r"))
    sealed[where % len(sealed)] ^= 1 << bit
    with pytest.raises(SecretUnreadable):
        secrets.open(bytes(sealed), row="r")


@given(length=st.integers(0, 60))
def test_cut_short_it_does_not_open(length: int):
    secrets = Secrets({"k1": OLD})
    sealed = secrets.seal("a secret of some length, to be cut", row="r")
    with pytest.raises(SecretUnreadable):
        secrets.open(sealed[:length], row="r")


@given(junk=st.binary(max_size=80))
def test_what_was_never_sealed_does_not_open(junk: bytes):
    with pytest.raises(SecretUnreadable):
        Secrets({"k1": OLD}).open(junk, row="r")


def test_a_secret_is_sealed_differently_each_time():
    secrets = Secrets({"k1": OLD})
    assert len({secrets.seal("same", row="r") for _ in range(100)}) == 100


def test_keys_rotate_without_losing_anything():
    before = Secrets({"old": OLD})
    during = Secrets({"new": NEW, "old": OLD})
    sealed = before.seal("secret", row="r")
    assert during.open(sealed, row="r") == "secret"
    fresh = during.seal("secret", row="r")
    assert fresh.startswith(b"new.")
    assert during.mac("p", "x") == before.mac("p", "x")
    assert during.derive("jwt") == before.derive("jwt")
    after = Secrets({"new": NEW})
    assert after.open(fresh, row="r") == "secret"
    with pytest.raises(SecretUnreadable, match="old"):
        after.open(sealed, row="r")


def test_purposes_have_keys_of_their_own():
    secrets = Secrets({"k1": OLD})
    assert len({secrets.derive("a"), secrets.derive("b"), OLD}) == 3
    assert secrets.mac("a", "text") == secrets.mac("a", b"text") != secrets.mac("b", "text")


def test_keys_are_not_shown():
    assert "\\x01" not in repr(Secrets({"k1": OLD}))


@pytest.mark.parametrize("keys", [{}, {"k1": b"short"}, {"": OLD}, {"a.b": OLD}, {"ü": OLD}])
def test_odd_keys_are_refused(keys: dict[str, bytes]):
    with pytest.raises(ValueError, match=r"master key|none"):
        Secrets(keys)


def test_keys_are_read_newest_first():
    text = f"new:{base64.b64encode(NEW).decode()},\n old:{base64.b64encode(OLD).decode()}\n\n"
    assert list(parse_keys(text).items()) == [("new", NEW), ("old", OLD)]


@pytest.mark.parametrize("text", ["nonsense", "k1:!!!", "k1", "k1:AAAA k1:AAAA"])
def test_malformed_keys_are_refused_without_being_shown(text: str):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - what is said differs
        Secrets(parse_keys(text))
    assert "AAAA" not in str(caught.value)


def test_the_first_start_makes_a_key_that_only_we_can_read(tmp_path: Path):
    file = tmp_path / "master.keys"
    first = load_or_create_keys(file)
    assert load_or_create_keys(file) == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["master.keys"]
    assert len(Secrets(first).derive("x")) == 32


def test_a_key_file_of_a_killed_start_does_not_stand_in_the_way(tmp_path: Path):
    leftover = tmp_path / f"master.{os.getpid()}"
    leftover.write_text("k1:half a k")
    leftover.chmod(0o644)
    Secrets(load_or_create_keys(tmp_path / "master.keys"))
    assert stat.S_IMODE((tmp_path / "master.keys").stat().st_mode) == 0o600


def test_tokens_are_long_and_differ():
    made = {token("rt_") for _ in range(100)}
    assert len(made) == 100
    assert all(each.startswith("rt_") and len(each) >= 43 for each in made)
    assert len(token_hash(made.pop())) == 32
