"""The twin of Smartlead takes exactly what the vendor's schema takes, and refuses in words like the vendor's."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litemail.providers.platform import smartlead_wire
from litemail.servers.sandbox import smartlead_models as models
from litemail.servers.sandbox.behaviour import Refusal
from tests.contracts.contract import load
from tests.contracts.verdicts import Verdict, compare, needs

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
BODIES = (
    Verdict("POST", "/api/v1/email-accounts/save", models.SaveAccount, GOOD),
    Verdict("POST", "/api/v1/email-accounts/7", models.ChangeAccount, {"max_email_per_day": 5}),
    Verdict("POST", "/api/v1/email-accounts/7/warmup", models.ChangeWarmup, {"warmup_enabled": True}),
    Verdict("POST", "/api/v1/tags", models.CreateTag, {"name": "Agency"}),
    Verdict("POST", "/api/v1/email-accounts/tag-mapping", models.MapTags, {"email_account_ids": [1], "tag_ids": [2]}),
)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.path)
@given(data=st.data())
def test_the_twin_takes_what_the_schema_takes_and_nothing_else(body: Verdict, data: st.DataObject) -> None:
    compare(CONTRACT, models.parse, body, data)


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
    assert needs(CONTRACT, smartlead_wire.Account, "EmailAccount") == set()
    assert needs(CONTRACT, smartlead_wire.Tag, "Tag") == set()
    assert needs(CONTRACT, smartlead_wire.Done, "Done") == set()
