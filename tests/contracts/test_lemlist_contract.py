"""The lemlist twin takes exactly what the vendor's schema takes, and refuses the rest in the vendor's words."""

from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemail.providers.platform import lemlist_wire
from litemail.servers.sandbox import lemlist_models
from litemail.servers.sandbox.behaviour import Refusal
from tests.contracts.bodies import is_taken, near, schema_of
from tests.contracts.contract import load

CONTRACT = load("lemlist")
ADD = ("POST", "/api/user/email-accounts")

GOOD: dict[str, Any] = {
    "sender_name": "Caroline Thompson",
    "sender_email": "caroline@getbrandmerge.test",
    "smtp_host": "smtp.getbrandmerge.test",
    "smtp_port": 587,
    "smtp_login": "caroline@getbrandmerge.test",
    "smtp_password": "secret",
    "imap_host": "imap.getbrandmerge.test",
    "imap_port": 993,
    "imap_login": "caroline@getbrandmerge.test",
    "imap_password": "secret",
    "imap_secure": True,
}


@given(data=st.data())
def test_the_twin_takes_what_the_schema_takes_and_nothing_else(data: st.DataObject) -> None:
    schema = schema_of(CONTRACT, *ADD)
    body = near(data, schema, GOOD)
    taken = not CONTRACT.faults(schema, body)
    assert is_taken(partial(lemlist_models.parse, shape=lemlist_models.AddAccount), body) == taken, body


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({key: GOOD[key] for key in GOOD if key != "imap_port"}, b"Missing required fields"),
        ({**GOOD, "imap_port": "993"}, b"Bad params"),
        ({**GOOD, "sender_email": "nobody"}, b"Bad params"),
        ({**GOOD, "smtp_secure": "yes"}, b"Bad params"),
    ],
)
def test_the_twin_refuses_in_plain_words(body: dict[str, Any], words: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        lemlist_models.parse(msgspec.json.encode(body), lemlist_models.AddAccount)
    assert (refused.value.status, refused.value.body, refused.value.media_type) == (400, words, "text/plain")


def test_what_the_adapter_must_find_in_answers_is_required_of_them() -> None:
    schemas = CONTRACT.document["components"]["schemas"]
    for shape, name in (
        (lemlist_wire.Team, "Team"),
        (lemlist_wire.User, "User"),
        (lemlist_wire.Mailbox, "Mailbox"),
    ):
        needed = {field.encode_name for field in msgspec.structs.fields(shape) if field.required}
        assert needed <= set(schemas[name]["required"]), name


def test_what_the_adapter_sends_is_in_the_contract() -> None:
    known = schema_of(CONTRACT, *ADD)["properties"]
    assert {field.encode_name for field in msgspec.structs.fields(lemlist_wire.AddAccount)} <= set(known)
