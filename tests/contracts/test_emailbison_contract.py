"""The twin of EmailBison takes exactly what the vendor's schema takes, and refuses in Laravel's words."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemail.providers.platform import emailbison_wire
from litemail.servers.sandbox import emailbison_models as models
from litemail.servers.sandbox.behaviour import Refusal
from tests.contracts.contract import load
from tests.contracts.verdicts import Verdict, compare, needs

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
BODIES = (
    Verdict("POST", "/api/sender-emails/imap-smtp", models.AddSender, GOOD),
    Verdict("PATCH", "/api/sender-emails/7", models.ChangeSender, {"daily_limit": 5}),
    Verdict("PATCH", "/api/warmup/sender-emails/enable", models.SenderIds, {"sender_email_ids": [1]}),
    Verdict("POST", "/api/tags", models.CreateTag, {"name": "Agency"}),
    Verdict("POST", "/api/tags/attach-to-sender-emails", models.AttachTags, {"tag_ids": [1], "sender_email_ids": [2]}),
)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.path)
@given(data=st.data())
def test_the_twin_takes_what_the_schema_takes_and_nothing_else(body: Verdict, data: st.DataObject) -> None:
    compare(CONTRACT, models.parse, body, data)


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
    assert needs(CONTRACT, emailbison_wire.Sender, "Sender") == set()
    assert needs(CONTRACT, emailbison_wire.Tag, "Tag") == set()
    assert needs(CONTRACT, emailbison_wire.Workspace, "Workspace") == set()
