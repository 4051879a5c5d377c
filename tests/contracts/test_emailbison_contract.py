"""The twin of EmailBison takes exactly what the vendor's schema takes, and refuses in Laravel's words."""

import json
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemail.providers.platform import emailbison_wire
from litemail.servers.sandbox import emailbison_models as models
from litemail.servers.sandbox.behaviour import Refusal
from tests.contracts.bodies import is_taken, near, schema_of, unpromised
from tests.contracts.contract import load

CONTRACT = load("emailbison")
GOOD: dict[str, Any] = {
    "name": "Caroline Thompson",
    "email": "caroline@getbrandmerge.test",
    "password": "secret",
    "imap_server": "imap.getbrandmerge.test",
    "imap_port": 993,
    "smtp_server": "smtp.getbrandmerge.test",
    "smtp_port": 587,
    "smtp_secure": False,
    "imap_secure": True,
}
BODIES: list[tuple[str, str, type[msgspec.Struct], dict[str, Any]]] = [
    ("POST", "/api/sender-emails/imap-smtp", models.AddSender, GOOD),
    ("PATCH", "/api/sender-emails/7", models.ChangeSender, {"daily_limit": 5}),
    ("PATCH", "/api/warmup/sender-emails/enable", models.SenderIds, {"sender_email_ids": [1]}),
    ("POST", "/api/tags", models.CreateTag, {"name": "Agency"}),
    ("POST", "/api/tags/attach-to-sender-emails", models.AttachTags, {"tag_ids": [1], "sender_email_ids": [2]}),
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
    ("body", "field", "words"),
    [
        ({key: GOOD[key] for key in GOOD if key != "imap_port"}, "imap_port", "The imap port field is required."),
        ({**GOOD, "name": " "}, "name", "The name field is required."),
        ({**GOOD, "name": ""}, "name", "The name field is required."),
        ({**GOOD, "imap_port": "993"}, "imap_port", "The imap port field must be an integer."),
        ({**GOOD, "email": "nobody"}, "email", "The email field must be a valid email address."),
        ({**GOOD, "imap_server": "not a host"}, "imap_server", "The imap server field format is invalid."),
    ],
)
def test_the_twin_refuses_in_the_words_of_laravel(body: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(Refusal) as refused:
        models.parse(json.dumps(body).encode(), models.AddSender)
    assert refused.value.status == 422
    data = json.loads(refused.value.body)["data"]
    assert data == {"success": False, "message": words, "errors": {field: [words]}}


def test_what_the_adapter_must_find_in_answers_is_required_of_them() -> None:
    assert unpromised(CONTRACT, emailbison_wire.Sender, "Sender") == set()
    assert unpromised(CONTRACT, emailbison_wire.Tag, "Tag") == set()
    assert unpromised(CONTRACT, emailbison_wire.Workspace, "Workspace") == set()
