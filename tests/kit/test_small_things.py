"""Ids, money, times, cursors, errors, bulk results, passwords: the small words of the kit."""

import asyncio
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from litemail.kit import clock, ids, passwords
from litemail.kit.bulk import AllRejected, BulkItem, NotAllAccepted, settle
from litemail.kit.errors import Detail, Error, Invalid, Kind, Problem
from litemail.kit.money import Money
from litemail.kit.pagination import BadCursor, PageRequest, decode_cursor, encode_cursor, page
from litemail.kit.wire import Moment, Name, RequestModel, checked, field_path, one_or_many


def test_ids_sort_by_their_making():
    made = [ids.new_id("mbx") for _ in range(500)]
    assert made == sorted(made)
    assert len(set(made)) == 500
    assert all(ids.is_id(each, "mbx") for each in made)


@pytest.mark.parametrize(
    "text",
    ["", "mbx", "mbx_", "dom_01k5m3v8w0e3t9f7a2b4c6d8ee", "mbx_81k5m3v8w0e3t9f7a2b4c6d8ee",
     "mbx_01K5M3V8W0E3T9F7A2B4C6D8EE", "mbx_01k5m3v8w0e3t9f7a2b4c6d8e", "mbx_01k5m3v8w0e3t9f7a2b4c6d8ee\n",
     "mbx_01k5m3v8w0e3t9f7a2b4c6d8el"],
)  # fmt: skip
def test_what_is_no_id_of_that_kind(text: str):
    assert not ids.is_id(text, "mbx")


@given(st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12))
def test_money_adds_up(a: int, b: int):
    assert Money(a) + Money(b) - Money(b) == Money(a)


def test_money_reads_as_people_write_it():
    assert [str(Money(amount)) for amount in (3700, 5, -5, -12345, 0)] == [
        "37.00 USD",
        "0.05 USD",
        "-0.05 USD",
        "-123.45 USD",
        "0.00 USD",
    ]
    with pytest.raises(ValueError, match="mixed"):
        Money(1) + Money(1, "EUR")


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_is_shown_as_it_is_kept(moment: datetime):
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    shown = clock.rfc3339(moment)
    assert len(shown) == len("2026-01-29T18:41:56.867Z")
    assert datetime.fromisoformat(shown) == moment


def test_the_clock_has_milliseconds_in_utc():
    now = clock.now()
    assert now.tzinfo is UTC
    assert now.microsecond % 1000 == 0
    elsewhere = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert clock.rfc3339(elsewhere) == "2026-01-01T00:00:00.000Z"


@given(st.text(min_size=1).filter(lambda text: "\x00" not in text))
def test_a_cursor_leads_back(key: str):
    cursor = encode_cursor(key)
    assert decode_cursor(cursor) == key
    assert cursor.isascii()
    assert "=" not in cursor


@given(st.text(max_size=30))
def test_a_cursor_that_nobody_made_is_refused_or_a_key(cursor: str):
    with suppress(BadCursor):
        key = decode_cursor(cursor)
        assert key
        assert "\x00" not in key


def test_a_page_knows_whether_there_is_more():
    rows = ["a", "b", "c"]
    first = page(rows, PageRequest(limit=2), key=str)
    assert first.data == ["a", "b"]
    assert first.next_cursor is not None
    assert decode_cursor(first.next_cursor) == "b"
    last = page(rows, PageRequest(limit=3), key=str, total=3)
    assert (last.next_cursor, last.total) == (None, 3)
    assert b"total" not in msgspec.json.encode(first)
    assert page(list[str](), PageRequest(), key=str).map(len).data == []


class Missing(Error):
    kind = Kind.NOT_FOUND
    code = "test.missing"
    message = "{name} is missing."
    action = "Find {name}."


def test_an_error_is_one_problem():
    error = Missing(name="It", field="name", stage="looking")
    assert str(error) == "It is missing."
    assert error.problem() == Problem("test.missing", "It is missing.", "Find It.", "name", "looking")
    assert error.details == (Detail("name", "It is missing."),)
    assert msgspec.json.decode(msgspec.json.encode(Problem("a", "b"))) == {
        "code": "a",
        "message": "b",
        "retryable": False,
    }


def test_a_message_may_hold_braces_that_came_from_outside():
    assert str(Missing(name="{0} {x!r}")) == "{0} {x!r} is missing."


def all_errors(base: type[Error] = Error) -> list[type[Error]]:
    return [base, *(each for sub in base.__subclasses__() for each in all_errors(sub))]


def test_every_error_of_the_program_has_a_code_a_kind_and_a_message():
    ours = [error for error in all_errors() if error.__module__.startswith("litemail.")]
    raised = [error for error in ours if error.code != Error.code]  # the others are bases of families
    assert len(raised) > 40
    kinds: dict[str, set[Kind]] = {}
    for error in raised:
        if not error.__module__.startswith("litemail.providers."):  # what an item shows, whatever its kind
            kinds.setdefault(error.code, set()).add(error.kind)
        assert re.fullmatch(r"[a-z_]+\.[a-z_0-9]+|internal", error.code), error
        assert error.message != Error.message or error.__subclasses__() or error.kind is Kind.BUG, error
    assert {code: kind for code, kind in kinds.items() if len(kind) > 1} == {}


def test_paths_of_fields():
    assert field_path(("inboxes", 0, "email")) == "inboxes[0].email"
    assert field_path(()) == ""
    assert field_path((0, "a", "b", 1, 2)) == "[0].a.b[1][2]"


class One(RequestModel):
    name: str


class Many(RequestModel):
    things: list[One]


def test_a_body_that_is_one_thing_or_many():
    assert one_or_many({"name": "x"}, One, Many, key="things") == One(name="x")
    assert one_or_many({"things": [{"name": "x"}]}, One, Many, key="things") == Many(things=[One(name="x")])
    with pytest.raises(Invalid) as caught:
        one_or_many({"things": [{"name": "x"}, {"nam": 1}]}, One, Many, key="things")
    assert {detail.field for detail in caught.value.details} == {"things[1].name", "things[1].nam"}
    with pytest.raises(Invalid) as caught:
        one_or_many({}, One, Many, key="things")
    assert [detail.field for detail in caught.value.details] == ["name"]


def shout(text: str) -> str:
    if not text:
        raise Missing(name="text")
    return text.upper()


def test_our_parsers_are_validators():
    loud: TypeAdapter[str] = TypeAdapter(Annotated[str, checked(shout)])
    assert loud.validate_python("x") == "X"
    with pytest.raises(ValidationError, match="text is missing"):
        loud.validate_python("")


@pytest.mark.parametrize("text", ["", "a\nb", "a\x00", "\x7f", "x" * 101, "a\u2028b"])
def test_names_are_one_line(text: str):
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(text)


@pytest.mark.parametrize("given", [5, 5.0, True, "2026", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00", "now", None])
def test_a_moment_is_rfc_3339(given: object):
    with pytest.raises(ValidationError):
        TypeAdapter(Moment).validate_python(given, strict=True)


def test_bulk_results_stand_in_the_order_of_the_request():
    result = settle({2: "c", 0: "a"}, {1: Missing(name="b", field="name")}, key="things")
    assert [item.index for item in result.results] == [0, 1, 2]
    assert (result.accepted, result.rejected) == (2, 1)
    assert result.results[0] == BulkItem(0, "accepted", id="a")
    assert result.results[1].error == Problem("test.missing", "b is missing.", "Find b.", "name")


@pytest.mark.parametrize(
    ("accepted", "all_or_nothing", "refusal"), [({}, False, AllRejected), ({0: "a"}, True, NotAllAccepted)]
)
def test_a_refused_bulk_carries_its_results(accepted: dict[int, str], all_or_nothing: bool, refusal: type[Error]):
    with pytest.raises(refusal) as caught:
        settle(accepted, {1: Missing(name="b"), 2: Missing(name="c")}, key="t", all_or_nothing=all_or_nothing)
    assert [detail.field for detail in caught.value.details] == ["t[1]", "t[2]"]
    assert caught.value.extra["accepted"] == 0
    assert caught.value.kind is Kind.INVALID


def test_generated_passwords_are_strong_and_readable():
    made = {passwords.generate() for _ in range(200)}
    assert len(made) == 200
    for password in made:
        assert len(password) == 20
        assert not set(password) & set("0O1lIoi")
        assert any(map(str.islower, password))
        assert any(map(str.isupper, password))
        assert any(map(str.isdigit, password))


@given(st.text(max_size=60))
async def test_a_password_verifies_against_either_hash_and_no_other_does(password: str):
    for stored in (await passwords.hash_chosen(password), passwords.hash_generated(password)):
        assert await passwords.verify(stored, password)
        assert not await passwords.verify(stored, password + "x")
    assert not await passwords.verify(None, password)


async def test_dovecots_prefix_of_argon2_is_understood():
    assert await passwords.verify("{ARGON2ID}" + await passwords.hash_chosen("secret"), "secret")


async def test_hashing_does_not_stop_the_loop():
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    await passwords.hash_chosen("x")
    ticking.cancel()
    assert ticks > 0
