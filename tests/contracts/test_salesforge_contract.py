"""The Salesforge twin takes exactly what the vendor's schema takes."""

import json
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemail.providers.platform import salesforge_wire
from litemail.servers.sandbox import salesforge_models
from litemail.servers.sandbox.behaviour import Refusal
from tests.contracts.bodies import is_taken, near, schema_of
from tests.contracts.contract import load

CONTRACT = load("salesforge")

MAILBOXES = "/public/v2/workspaces/w/mailboxes"
LEG = {"host": "mail.getbrandmerge.test", "port": 993, "username": "caroline@getbrandmerge.test", "password": "secret"}
GOOD: dict[str, Any] = {
    "address": "caroline@getbrandmerge.test",
    "firstName": "Caroline",
    "lastName": "Thompson",
    "smtp": {**LEG, "port": 587},
    "imap": LEG,
}
MODELS: dict[tuple[str, str], tuple[type[msgspec.Struct], dict[str, Any]]] = {
    ("POST", MAILBOXES): (salesforge_models.ConnectMailbox, GOOD),
    ("PATCH", f"{MAILBOXES}/m"): (salesforge_models.ChangeMailbox, {"dailyEmailLimit": 40}),
    ("PATCH", f"{MAILBOXES}/m/connection-settings"): (salesforge_models.ChangeLegs, {"smtp": LEG, "imap": LEG}),
}


@pytest.mark.parametrize(("method", "path"), MODELS)
@given(data=st.data())
def test_the_twin_takes_what_the_schema_takes_and_nothing_else(method: str, path: str, data: st.DataObject) -> None:
    model, good = MODELS[method, path]
    schema = schema_of(CONTRACT, method, path)
    body = near(data, schema, good)
    taken = not CONTRACT.faults(schema, body)
    assert is_taken(partial(salesforge_models.parse, shape=model), body) == taken, body


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({key: GOOD[key] for key in GOOD if key != "lastName"}, "lastName is required"),
        ({**GOOD, "imap": {key: LEG[key] for key in LEG if key != "host"}}, "imap.host is required"),
        ({**GOOD, "dailyEmailLimit": 0}, "dailyEmailLimit is invalid"),
        ({**GOOD, "smtp": {**LEG, "port": 70_000}}, "smtp.port is invalid"),
    ],
)
def test_the_twin_names_the_field_that_is_wrong(body: dict[str, Any], words: str) -> None:
    with pytest.raises(Refusal) as refused:
        salesforge_models.parse(json.dumps(body).encode(), salesforge_models.ConnectMailbox)
    assert (refused.value.status, json.loads(refused.value.body)) == (400, {"message": words})


def test_what_the_adapter_must_find_in_answers_is_required_of_them() -> None:
    schemas = CONTRACT.document["components"]["schemas"]
    for shape, name in (
        (salesforge_wire.Workspace, "Workspace"),
        (salesforge_wire.Workspaces, "Workspaces"),
        (salesforge_wire.Mailbox, "Mailbox"),
        (salesforge_wire.Mailboxes, "Mailboxes"),
        (salesforge_wire.Failure, "Failure"),
    ):
        needed = {field.encode_name for field in msgspec.structs.fields(shape) if field.required}
        assert needed <= set(schemas[name]["required"]), name
