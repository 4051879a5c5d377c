"""The twin of Smartlead takes exactly what the vendor's schema takes, and refuses in words like the vendor's."""

import json
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemail.providers.platform import smartlead_wire
from litemail.servers.sandbox import smartlead_models as models
from litemail.servers.sandbox.behaviour import Refusal
from tests.contracts.bodies import is_taken, near, schema_of, unpromised
from tests.contracts.contract import load

CONTRACT = load("smartlead")
GOOD: dict[str, Any] = {
    "from_name": "Caroline Thompson",
    "from_email": "caroline@getbrandmerge.test",
    "user_name": "caroline@getbrandmerge.test",
    "password": "secret",
    "smtp_host": "smtp.getbrandmerge.test",
    "smtp_port": 587,
    "imap_host": "imap.getbrandmerge.test",
    "imap_port": 993,
    "warmup_enabled": False,
}
BODIES: list[tuple[str, str, type[msgspec.Struct], dict[str, Any]]] = [
    ("POST", "/api/v1/email-accounts/save", models.SaveAccount, GOOD),
    ("POST", "/api/v1/email-accounts/7", models.ChangeAccount, {"max_email_per_day": 5}),
    ("POST", "/api/v1/email-accounts/7/warmup", models.ChangeWarmup, {"warmup_enabled": True}),
    ("POST", "/api/v1/tags", models.CreateTag, {"name": "Agency"}),
    ("POST", "/api/v1/email-accounts/tag-mapping", models.MapTags, {"email_account_ids": [1], "tag_ids": [2]}),
]


@pytest.mark.parametrize(("method", "path", "model", "good"), BODIES)
@given(data=st.data())
def test_the_twin_takes_what_the_schema_takes_and_nothing_else(
    method: str, path: str, model: type[msgspec.Struct], good: dict[str, Any], data: st.DataObject
) -> None:
    schema = schema_of(CONTRACT, method, path)
    body = near(data, schema, good)
    assert is_taken(partial(models.parse, shape=model), body) == (not CONTRACT.faults(schema, body)), body


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({key: GOOD[key] for key in GOOD if key != "from_name"}, "from_name is required"),
        ({**GOOD, "unknown": 1}, "unknown is not allowed"),
        ({**GOOD, "imap_port": "993"}, "imap_port must be a number"),
        ({**GOOD, "warmup_enabled": 1}, "warmup_enabled must be a boolean"),
    ],
)
def test_the_twin_refuses_in_the_words_of_the_documented_example(body: dict[str, Any], words: str) -> None:
    with pytest.raises(Refusal) as refused:
        models.parse(json.dumps(body).encode(), models.SaveAccount)
    assert (refused.value.status, json.loads(refused.value.body)) == (422, {"error": words})


def test_what_the_adapter_must_find_in_answers_is_required_of_them() -> None:
    assert unpromised(CONTRACT, smartlead_wire.Account, "EmailAccount") == set()
    assert unpromised(CONTRACT, smartlead_wire.Tag, "Tag") == set()
    assert unpromised(CONTRACT, smartlead_wire.Done, "Done") == set()
