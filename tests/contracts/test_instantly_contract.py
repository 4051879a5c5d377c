"""The twin takes exactly what the vendor's schema takes, and the stripped contract is what `strip.py` makes."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openapi_spec_validator import validate

from litemail.providers.platform import instantly_wire
from litemail.servers.sandbox import instantly_models
from litemail.servers.sandbox.behaviour import Refusal
from tests.contracts.contract import load
from tests.contracts.strip import operations_of, stripped

CONTRACT = load("instantly")
PROSE = ("description", "summary", "example", "examples", "tags", "contact", "servers", "x-enumDescriptions")

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
ANY_VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2000),
    st.floats(-5, 2000),
    st.sampled_from(["", " ", "1", "993", "a@b.test", "a@b", "disabled", "no-tag"]),
    st.lists(st.sampled_from(["a@b.test", 1]), max_size=2),
    st.dictionaries(st.sampled_from(["limit", "increment", "reply_rate", "other"]), st.sampled_from([1, "0", True])),
)


def test_the_contract_is_valid_openapi_and_holds_no_prose() -> None:
    validate(CONTRACT.document)
    assert not list(_prose(CONTRACT.document))


def _prose(node: object, *, names: bool = False) -> Iterator[str]:
    """Keys that hold prose; below `properties` keys are the vendor's names of fields."""
    if isinstance(node, list):
        for one in node:
            yield from _prose(one)
    elif isinstance(node, dict):
        for key, value in node.items():
            if not names and key in PROSE and value != "":
                yield f"{key}: {value}"
            yield from _prose(value, names=key == "properties" and not names)


def test_stripping_the_contract_again_changes_nothing() -> None:
    document = copy.deepcopy(dict(CONTRACT.document))
    assert stripped(document, name="instantly", operations=operations_of(document)) == CONTRACT.document


@pytest.mark.parametrize(("method", "path"), MODELS)
@given(data=st.data())
def test_the_twin_takes_what_the_schema_takes_and_nothing_else(method: str, path: str, data: st.DataObject) -> None:
    model, good = MODELS[method, path]
    operation = CONTRACT.operation(method, path)
    assert operation
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    body: dict[str, Any] = dict(good)
    for name in data.draw(st.lists(st.sampled_from([*schema["properties"], "unknown"]), max_size=2, unique=True)):
        if data.draw(st.booleans()):
            body.pop(name, None)
        else:
            body[name] = data.draw(ANY_VALUE)
    taken = not CONTRACT.faults(schema, body)
    if method == "PATCH":
        taken = taken or not body  # the twin's route refuses an empty body, not its model
    assert _takes(model, body) == taken, body


def _takes(model: type[msgspec.Struct], body: dict[str, Any]) -> bool:
    try:
        instantly_models.parse(json.dumps(body).encode(), model)
    except Refusal:
        return False
    return True


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


def test_the_contract_names_no_host() -> None:
    text = Path(__file__).with_name("instantly.json").read_text()
    assert "http" not in text
    assert "@" not in text
