"""The Instantly twin takes exactly what the vendor's schema takes."""

import json
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemail.providers.platform import instantly_wire
from litemail.servers.sandbox import instantly_models
from litemail.servers.sandbox.behaviour import Refusal
from tests.contracts.bodies import is_taken, near, schema_of
from tests.contracts.contract import load

CONTRACT = load("instantly")

GOOD: dict[str, Any] = {
    "email": "caroline@getbrandmerge.test",
    "first_name": "Caroline",
    "last_name": "Thompson",
    "provider_code": 1,
    "imap_username": "caroline@getbrandmerge.test",
    "imap_password": "secret",
    "imap_host": "imap.getbrandmerge.test",
    "imap_port": 993,
    "smtp_username": "caroline@getbrandmerge.test",
    "smtp_password": "secret",
    "smtp_host": "smtp.getbrandmerge.test",
    "smtp_port": 587,
}
MODELS: dict[tuple[str, str], tuple[type[msgspec.Struct], dict[str, Any]]] = {
    ("POST", "/api/v2/accounts"): (instantly_models.CreateAccount, GOOD),
    ("PATCH", "/api/v2/accounts/a@b.test"): (instantly_models.PatchAccount, {"first_name": "Ada"}),
    ("POST", "/api/v2/accounts/warmup/enable"): (instantly_models.SwitchWarmup, {"emails": ["a@b.test"]}),
    ("POST", "/api/v2/custom-tags"): (instantly_models.CreateTag, {"label": "Agency"}),
}


@pytest.mark.parametrize(("method", "path"), MODELS)
@given(data=st.data())
def test_the_twin_takes_what_the_schema_takes_and_nothing_else(method: str, path: str, data: st.DataObject) -> None:
    model, good = MODELS[method, path]
    schema = schema_of(CONTRACT, method, path)
    body = near(data, schema, good)
    taken = not CONTRACT.faults(schema, body)
    if method == "PATCH":
        taken = taken or not body  # the twin's route refuses an empty body, not its model
    assert is_taken(partial(instantly_models.parse, shape=model), body) == taken, body


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({**GOOD, "unknown": 1}, "body must NOT have additional properties"),
        ({key: GOOD[key] for key in GOOD if key != "imap_port"}, "body must have required property 'imap_port'"),
        ({**GOOD, "imap_port": "993"}, "body/imap_port must be number"),
        ({**GOOD, "daily_limit": True}, "body/daily_limit must be number,null"),
        ({**GOOD, "provider_code": 7}, "body/provider_code must be equal to one of the allowed values"),
        ({**GOOD, "email": "nobody"}, "body/email must match format"),
        ({**GOOD, "warmup": {"limit": "1"}}, "body/warmup/limit must be number"),
    ],
)
def test_the_twin_refuses_in_the_words_of_a_schema_check(body: dict[str, Any], words: str) -> None:
    with pytest.raises(Refusal) as refused:
        instantly_models.parse(json.dumps(body).encode(), instantly_models.CreateAccount)
    assert refused.value.status == 400
    assert json.loads(refused.value.body) == {"statusCode": 400, "error": "Bad Request", "message": words}


def test_what_the_adapter_must_find_in_answers_is_required_of_them() -> None:
    schemas = CONTRACT.document["components"]["schemas"]
    for shape, name in (
        (instantly_wire.Account, "Account"),
        (instantly_wire.Job, "BackgroundJob"),
        (instantly_wire.Workspace, "Workspace"),
        (instantly_wire.Key, "APIKey"),
        (instantly_wire.Tag, "CustomTag"),
    ):
        needed = {field.encode_name for field in msgspec.structs.fields(shape) if field.required}
        assert needed <= set(schemas[name]["required"]), name
