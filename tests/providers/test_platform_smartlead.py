"""What each answer of Smartlead becomes: the documented ones, each with its source, and nonsense.

Sources: "reference" is the table of errors of the older help centre and of api.smartlead.ai; "page" a file of
Smartlead-Public/docs under api-reference/; "seen" what users of the API report; "made up" what only the twin says.
"""

import base64
import json
from typing import Any

import httpx
import pytest

from litemail.kit.errors import Error
from litemail.providers import platform
from litemail.providers.platform import Changes, Session, Standing, smartlead
from tests.providers import vendor_answers
from tests.providers.vendor_answers import INBOX, KEY, PASSWORD, json_answer, reach

ADAPTER = smartlead.adapter()
ACCOUNT: dict[str, Any] = {
    "id": 2849,
    "from_email": "A@b.test",
    "from_name": "Ada Byron",
    "is_smtp_success": True,
    "is_imap_success": True,
    "message_per_day": 50,
    "warmup_details": {"status": "ACTIVE"},
    "password": base64.b64encode(b"someb0dy-5ecret").decode(),
}
ABSENT = json_answer(404, {"error": "Email account not found"})  # page email-accounts/get-by-email
EXISTS = "Email account already exist. Please pass id to update it"
UNVERIFIED = "Email account verification failed. Please verify account details."


def adding(answer: httpx.Response | Exception, *, there: bool = False) -> Session:
    afterwards = json_answer(200, ACCOUNT) if there else ABSENT
    return vendor_answers.adding(ADAPTER, answer, afterwards=afterwards)


def answering(answer: httpx.Response) -> Session:
    return vendor_answers.session(ADAPTER, lambda _: answer)


ACCOUNT_ERRORS: list[tuple[int, Any, type[Error], str]] = [
    (401, {"message": "Invalid API Key"}, platform.BadCredentials, "reference"),
    (401, {"message": "Two-factor authentication required"}, platform.TotpRequired, "made up"),
    (402, {"message": "Your plan has no access to the API"}, platform.NoPaidPlan, "made up"),
    (403, {"error": "Forbidden"}, platform.BadCredentials, "HTTP"),
    (429, {"error": {"code": "RATE_LIMIT_EXCEEDED", "retry_after": 30}}, platform.RateLimited, "reference"),
    (500, {"error": "Internal server error occurred"}, platform.Unavailable, "page email-accounts/get-all"),
    (503, {}, platform.Unavailable, "page email-accounts/add-smtp"),
    (422, {"error": "limit must be less than or equal to 100"}, platform.UnexpectedAnswer, "page get-all"),
    (404, {"error": "Resource not found"}, platform.UnexpectedAnswer, "page email-accounts/add-smtp"),
    (200, {"success": True, "data": {}}, platform.UnexpectedAnswer, "page email-accounts/get-by-id"),
    (200, [{"id": "2849"}], platform.UnexpectedAnswer, "nonsense"),
    (302, {}, platform.UnexpectedAnswer, "nonsense"),
]


@pytest.mark.parametrize(("status", "body", "error", "_source"), ACCOUNT_ERRORS)
async def test_an_answer_about_the_account_becomes_its_error(
    status: int, body: Any, error: type[Error], _source: str
) -> None:
    with pytest.raises(error) as raised:
        await answering(json_answer(status, body)).check()
    assert type(raised.value) is error
    assert raised.value.problem().action


async def test_a_rest_is_as_long_as_the_body_asks_for() -> None:
    body = {"error": {"code": "RATE_LIMIT_EXCEEDED", "message": "Rate limit exceeded", "retry_after": 30}}
    with pytest.raises(platform.RateLimited) as raised:
        await answering(json_answer(429, body)).check()
    assert raised.value.retry_after == 30


REFUSALS: list[tuple[int, dict[str, Any], type[Error], str]] = [
    (
        400,
        {"errorCode": "ACCOUNT_ALREADY_EXIST", "message": "Email account already added by other user."},
        platform.AlreadyConnectedElsewhere,
        "reference",
    ),
    (
        400,
        {"errorCode": "ACCOUNT_ALREADY_EXIST", "message": EXISTS, "emailAccountId": 2849},
        platform.AlreadyConnectedElsewhere,
        "reference, although it is not there",
    ),
    (
        400,
        {"errorCode": "ACCOUNT_VERIFICATION_FAILED", "message": UNVERIFIED},
        platform.InboxSignInRefused,
        "reference",
    ),
    (
        404,
        {"errorCode": "ACCOUNT_VERIFICATION_FAILED", "message": UNVERIFIED},
        platform.InboxSignInRefused,
        "reference",
    ),
    (
        400,
        {"ok": False, "message": "SMTP connection failed", "error": "Invalid credentials"},
        platform.InboxSignInRefused,
        "reference, newer",
    ),
    (200, {"ok": False, "message": "IMAP connection failed"}, platform.InboxSignInRefused, "not ok with 200"),
    (404, {"errorCode": "ACCOUNT_NOT_FOUND", "message": "Email account not found!"}, platform.Rejected, "reference"),
    (422, {"error": "from_name is required"}, platform.Rejected, "reference"),
    (422, {"error": "smtp_host is required"}, platform.Rejected, "like the reference's"),
    (
        400,
        {
            "statusCode": 400,
            "error": "Bad Request",
            "message": '"imap_password" is not allowed to be empty',
            "validation": {"source": "body", "keys": ["imap_password"]},
        },
        platform.Rejected,
        "page email-accounts/get-by-email",
    ),
    (400, {"ok": False, "message": "Your plan has no room for more"}, platform.LimitReached, "made up"),
    (400, {"ok": False, "message": "Something is off"}, platform.Rejected, "unknown words"),
]


@pytest.mark.parametrize(("status", "body", "error", "_source"), REFUSALS)
async def test_a_refused_inbox_that_is_not_there_has_its_reason(
    status: int, body: dict[str, Any], error: type[Error], _source: str
) -> None:
    [outcome] = await adding(json_answer(status, body)).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    assert type(outcome.error) is error
    assert str(body.get("message") or body["error"]) in str(outcome.error)


@pytest.mark.parametrize(("status", "body", "_error", "_source"), REFUSALS)
async def test_a_refused_inbox_that_is_there_is_accepted_whatever_the_words(
    status: int, body: dict[str, Any], _error: type[Error], _source: str
) -> None:
    [outcome] = await adding(json_answer(status, body), there=True).add([INBOX])
    assert outcome == platform.Accepted("a@b.test", ticket="2849", already=True)


async def test_an_inbox_entered_with_capitals_is_found_by_the_number_that_the_refusal_names() -> None:
    """Page email-accounts/get-by-email: such an address must be passed exactly as it was entered."""

    def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return json_answer(400, {"errorCode": "ACCOUNT_ALREADY_EXIST", "message": EXISTS, "emailAccountId": 2849})
        return json_answer(200, ACCOUNT) if request.url.path.endswith("/2849") else ABSENT

    outcomes = await vendor_answers.session(ADAPTER, handle).add([INBOX])
    assert outcomes == [platform.Accepted("a@b.test", ticket="2849", already=True)]


@pytest.mark.parametrize(
    ("body", "_source"),
    [
        (
            {"ok": True, "message": "Email account added/updated successfully!", "emailAccountId": 2849},
            "reference, older",
        ),
        ({"ok": True, "data": {"id": 2849, "from_email": "a@b.test", "is_smtp_success": True}}, "reference, newer"),
        ({"ok": True, "id": 2849}, "community specification"),
    ],
)
async def test_the_number_of_an_added_inbox_is_found_in_each_shape(body: dict[str, Any], _source: str) -> None:
    assert await adding(json_answer(200, body)).add([INBOX]) == [platform.Accepted("a@b.test", ticket="2849")]


@pytest.mark.parametrize(
    "answer",
    [
        json_answer(200, {}),
        json_answer(200, {"ok": True}),
        json_answer(200, {"ok": "yes", "id": 1}),
        json_answer(400, {}),
        json_answer(418, {"message": "Teapot"}),
        httpx.Response(200, html="<h1>Sign in</h1>"),
        httpx.Response(400, text="no"),
    ],
)
async def test_an_unknown_answer_to_an_add_is_never_success(answer: httpx.Response) -> None:
    with pytest.raises(platform.UnexpectedAnswer):
        await adding(answer).add([INBOX])


@pytest.mark.parametrize("lost", [httpx.ReadTimeout("late"), httpx.ReadError("cut"), httpx.Response(500)])
async def test_an_add_without_an_answer_may_have_happened(lost: httpx.Response | Exception) -> None:
    with pytest.raises(platform.OutcomeUnknown):
        await adding(lost).add([INBOX])


@pytest.mark.parametrize(
    ("more", "standing"),
    [
        ({}, Standing.CONNECTED),
        ({"is_smtp_success": False, "smtp_failure_error": "535 refused"}, Standing.FAILED),
        ({"is_imap_success": False, "imap_failure_error": "535 refused"}, Standing.FAILED),
        ({"is_imap_success": False}, Standing.PENDING),
        ({"is_imap_success": None}, Standing.PENDING),
    ],
)
async def test_what_smartlead_says_of_both_sides_is_the_standing(more: dict[str, Any], standing: Standing) -> None:
    found = await answering(json_answer(200, ACCOUNT | more)).find(["a@b.test"])
    inbox = found["a@b.test"]
    assert (inbox.standing, inbox.external_id, inbox.daily_limit, inbox.warmup) == (standing, "2849", 50, True)
    if standing is Standing.FAILED:
        assert isinstance(inbox.problem, platform.InboxSignInRefused)
        assert "535 refused" in str(inbox.problem)


async def test_a_server_without_the_newer_call_is_searched() -> None:
    """There `POST` and `GET /email-accounts/{anything}` take what follows for a number (seen)."""
    pages = [[{**ACCOUNT, "id": number, "from_email": f"x{number}@b.test"} for number in range(100)], [ACCOUNT]]

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("fetch-email-account-details"):
            return json_answer(
                400, {"statusCode": 400, "error": "Bad Request", "message": '"account_id" must be a number'}
            )
        assert request.url.params["username"] == "a@b.test"
        return json_answer(200, pages[int(request.url.params["offset"]) // 100])

    session = vendor_answers.session(ADAPTER, handle)
    assert (await session.find(["a@b.test"]))["a@b.test"].external_id == "2849"
    pages[1] = []
    assert await session.find(["a@b.test"]) == {}


async def test_a_404_that_is_not_smartleads_own_does_not_mean_absent() -> None:
    for answer in (httpx.Response(404, html="nothing here"), json_answer(404, {"message": "no route"})):
        with pytest.raises(platform.UnexpectedAnswer):
            await answering(answer).find(["a@b.test"])


async def test_another_inbox_than_asked_for_is_unexpected() -> None:
    with pytest.raises(platform.UnexpectedAnswer):
        await answering(json_answer(200, {**ACCOUNT, "from_email": "other@b.test"})).find(["a@b.test"])


@pytest.mark.parametrize("secret", [KEY, PASSWORD, json.dumps(PASSWORD)[1:-1]])
async def test_secrets_that_smartlead_shows_are_not_kept(secret: str) -> None:
    [outcome] = await adding(json_answer(400, {"message": f"bad login with {secret}"})).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    with pytest.raises(platform.UnexpectedAnswer) as raised:
        await adding(json_answer(200, {"you sent": secret})).add([INBOX])
    assert all("5ecret" not in text for text in (json.dumps(str(outcome.error)), raised.value.body))


def test_a_session_does_not_show_its_key() -> None:
    assert "5ecret" not in repr(adding(httpx.Response(500)))


async def test_passwords_of_other_inboxes_are_not_kept() -> None:
    """Smartlead shows those of all: in Base64 in its list, plain for one (page email-accounts/get-by-email)."""
    shown = [{**ACCOUNT, "id": "not a number", "imap_password": 'pl"ain-5ecret'}]
    with pytest.raises(platform.UnexpectedAnswer) as raised:
        await answering(json_answer(200, shown)).check()
    assert "5ecret" not in raised.value.body
    assert ACCOUNT["password"] not in raised.value.body
    assert "Ada Byron" in raised.value.body


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        (Changes(daily_limit=12), {"max_email_per_day": 12}),
        (Changes(first_name="Augusta"), {"from_name": "Augusta Byron"}),
        (Changes(last_name="King Noel"), {"from_name": "Ada King Noel"}),
        (Changes(first_name="A", last_name="B", daily_limit=1), {"from_name": "A B", "max_email_per_day": 1}),
    ],
)
async def test_names_are_one_at_smartlead(changes: Changes, sent: dict[str, Any]) -> None:
    bodies: list[Any] = []

    def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            bodies.append(json.loads(request.content))
            return json_answer(200, {"ok": True})
        return json_answer(200, ACCOUNT)

    await vendor_answers.session(ADAPTER, handle).update("a@b.test", changes)
    assert bodies == [sent]


async def test_new_credentials_leave_name_and_warm_up_as_they_are() -> None:
    bodies: list[Any] = []

    def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            bodies.append(json.loads(request.content))
            return json_answer(200, {"ok": True, "message": "updated", "emailAccountId": 2849})
        return json_answer(200, ACCOUNT)

    await vendor_answers.session(ADAPTER, handle).update_credentials(INBOX)
    [sent] = bodies
    assert (sent["id"], sent["password"], sent["from_name"], sent["warmup_enabled"]) == (
        2849,
        PASSWORD,
        "Ada Byron",
        True,
    )


LOGINS: list[tuple[httpx.Response, type[Error], str]] = [
    (json_answer(401, {"message": "Invalid credentials"}), platform.BadCredentials, "reference: 401"),
    (json_answer(401, {}), platform.BadCredentials, "reference: 401"),
    (json_answer(400, {"error": "Enter your 2FA code"}), platform.TotpRequired, "unknown"),
    (
        json_answer(422, {"error": "email must be a valid email"}),
        platform.BadCredentials,
        "page email-accounts/get-by-email",
    ),
    (json_answer(200, {"success": True, "data": {}}), platform.UnexpectedAnswer, "page auth/login"),
    (json_answer(200, {"user": {"id": 1, "email": "a@b.test"}, "token": "t"}), platform.UnexpectedAnswer, "no key"),
    (httpx.Response(200, html="<h1>Are you human?</h1>"), platform.UnexpectedAnswer, "nonsense"),
    (httpx.Response(404, text="gone"), platform.UnexpectedAnswer, "nonsense"),
    (httpx.Response(429), platform.RateLimited, "reference"),
    (httpx.Response(500), platform.Unavailable, "reference"),
]


@pytest.mark.parametrize(("answer", "error", "_source"), LOGINS)
async def test_an_answer_to_a_login_becomes_its_error(answer: httpx.Response, error: type[Error], _source: str) -> None:
    assert ADAPTER.sign_in
    with pytest.raises(error) as raised:
        await ADAPTER.sign_in(platform.Login("a@b.test", PASSWORD), reach(ADAPTER, lambda _: answer))
    assert type(raised.value) is error


async def test_a_login_gives_the_users_own_key_and_makes_none() -> None:
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path}")
        user = {"id": 7, "uuid": "u", "email": "a@b.test", "name": "Ada", "role": "user", "api_key": KEY}
        return json_answer(200, {"user": user, "token": "jwt-5ecret"})

    assert ADAPTER.exchange
    done = await ADAPTER.exchange(
        platform.Login("a@b.test", PASSWORD), reach(ADAPTER, handle), workspace=None, key_name="Litemail"
    )
    assert done.credentials.api_key == KEY
    assert done.workspace == platform.PlatformWorkspace("7", "Ada")
    assert asked == ["POST /api/auth/login"]


def test_a_workspace_that_smartlead_cannot_have_is_not_passed_over() -> None:
    with pytest.raises(platform.WorkspaceNotFound, match="one account"):
        ADAPTER.session(platform.Credentials(KEY, workspace="Sales"), reach(ADAPTER, lambda _: ABSENT))


def test_signing_in_can_be_switched_off() -> None:
    adapter = smartlead.adapter(login=False)
    assert (adapter.sign_in, adapter.exchange) == (None, None)
    assert platform.Capability.LOGIN not in adapter.declaration.capabilities
    assert [field.field for field in adapter.declaration.credentials] == ["api_key"]
