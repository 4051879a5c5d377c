import time

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from litemail.kit.errors import Kind
from litemail.protocols.address import Address, BadUsername, InvalidAddress, local_part, parse

ATEXT = "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789!#$%&'*+/=?^_`{|}~-"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Jo.Doe@Example.COM", "jo.doe@example.com"),
        (" jo@example.test ", "jo@example.test"),
        ("jo+tag@sub.example.co.uk", "jo+tag@sub.example.co.uk"),
        ("jo@bücher.example.com", "jo@xn--bcher-kva.example.com"),
        ("jo@XN--BCHER-KVA.example.com", "jo@xn--bcher-kva.example.com"),
        ("o'brien@example.com", "o'brien@example.com"),
    ],
)
def test_an_address_comes_out_in_lower_case_and_ascii(text: str, expected: str) -> None:
    assert str(parse(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "jo", "@example.com", "jo@", "jo@example", "jo@test", "jo@@example.com", "jo@exa mple.com",
        "jo..doe@example.com", ".jo@example.com", "jo.@example.com", '"jo doe"@example.com',
        "jo@[127.0.0.1]", "jo@1.2.3.4",
        "jo@-a.com", "jo@a-.com", "jo@ab--c.com", "jö@example.com", "jo@example.com\r\nRCPT TO:<x@y.com>",
        "jo@example.invalid",
        "jo@localhost.localhost", f"{'a' * 65}@example.com", f"jo@{'a' * 64}.com", f"jo@{'a.' * 130}com",
        "Jo <jo@example.com>",
        "jo@example.com.", "jo@.example.com", "jo@xn--.com", "jo\x00@example.com",
    ],
)  # fmt: skip
def test_what_is_not_an_address_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(InvalidAddress) as raised:
        parse(text)
    assert raised.value.kind is Kind.INVALID
    assert raised.value.problem().code == "address.invalid"
    assert len(str(raised.value)) > len("is not a mail address: ")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("a" * 65, "64"),
        ("jo@x.com", "@-sign"),
        ("jö", "ASCII"),
        ("jo..doe", "dot"),
        (".jo", "dot"),
        ("jo.", "dot"),
        ("jo doe", "space"),
        ("jo\r\n", "space"),
        ('"jo"', "space"),
        ("\u212a", "ASCII"),  # the Kelvin sign, whose lower case is an ASCII k
    ],
)
def test_a_bad_user_name_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(BadUsername) as raised:
        local_part(text)
    assert raised.value.problem().code == "mailbox.bad_username"
    assert reason in str(raised.value)


def test_a_user_name_is_taken_in_lower_case() -> None:
    assert local_part("Jo.Doe-1") == "jo.doe-1"
    assert local_part("a" * 64) == "a" * 64


@given(
    st.text(ATEXT, min_size=1, max_size=64), st.from_regex(r"([a-zA-Z0-9]{1,20}\.){1,3}(com|test|io)", fullmatch=True)
)
def test_every_plain_address_is_taken_and_equal_in_any_case(local: str, domain: str) -> None:
    first = parse(f"{local}@{domain}")
    assert first == parse(f"{local}@{domain}".upper()) == Address(local.lower(), domain.lower())
    assert parse(str(first)) == first
    assert local_part(local) == first.local


@given(st.text(max_size=80) | st.from_regex(r"\A[a-z.\"]{1,5}@[a-z0-9.-]{1,12}\Z"))
def test_the_short_way_takes_nothing_that_the_library_refuses(text: str) -> None:
    try:
        address = parse(text)
    except InvalidAddress:
        return
    try:
        found = validate_email(text.strip(), check_deliverability=False, test_environment=True, allow_smtputf8=False)
    except EmailNotValidError:
        pytest.fail(f"{text!r} was taken")
    assert str(address) == f"{found.local_part}@{found.ascii_domain}".lower()


def test_a_thousand_addresses_are_quick() -> None:
    texts = [f"first.last{n}@domain{n % 200}.example.com" for n in range(1000)]
    start = time.process_time()
    assert len({parse(text) for text in texts}) == 1000
    assert time.process_time() - start < 0.1
