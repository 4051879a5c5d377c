"""What each answer of EmailBison becomes, each with its source, and nonsense.

EmailBison documents no errors. "seen" are answers that users of its API published: in the feedback of the vendor's own
n8n node, and in a public script that adds senders. "reference" is the API reference of every instance.
"""

import json
from typing import Any

import httpx
import pytest

from litemail.kit.errors import Error
from litemail.providers import platform
from litemail.providers.platform import Changes, InboxToAdd, MailServer, Session, Standing, emailbison
from tests.providers import vendor_answers
from tests.providers.vendor_answers import INBOX, KEY, PASSWORD, json_answer

ADAPTER = emailbison.adapter()
SENDER: dict[str, Any] = {
    "id": 7,
    "name": "Ada Byron",
    "email": "A@b.test",
    "status": "Connected",
    "daily_limit": 5,
    "warmup_enabled": True,
}


def page(*senders: dict[str, Any], last: int = 1) -> httpx.Response:
    return json_answer(200, {"data": list(senders), "links": {}, "meta": {"last_page": last}})


def refused(message: str, **errors: list[str]) -> dict[str, Any]:
    return {"data": {"success": False, "message": message, **({"errors": errors} if errors else {})}}


TAKEN = "The email has already been taken."


def adding(answer: httpx.Response | Exception, *, there: bool = False) -> Session:
    return vendor_answers.adding(ADAPTER, answer, afterwards=page(SENDER) if there else page())


def answering(answer: httpx.Response) -> Session:
    return vendor_answers.session(ADAPTER, lambda _: answer)


ACCOUNT_ERRORS: list[tuple[int, Any, type[Error], str]] = [
    (401, {"message": "Unauthenticated."}, platform.BadCredentials, "Laravel"),
    (401, {"error": "Unauthorized"}, platform.BadCredentials, "seen"),
    (
        403,
        refused("This action is unauthorized. The api key does not match the workspace the record is on."),
        platform.BadCredentials,
        "seen",
    ),
    (401, {"message": "Two-factor authentication required."}, platform.TotpRequired, "made up"),
    (402, refused("This instance has no active subscription."), platform.NoPaidPlan, "made up"),
    (404, refused("The route api/workspaces/v1.1 could not be found."), platform.UnexpectedAnswer, "seen"),
    (429, {"message": "Too Many Attempts."}, platform.RateLimited, "Laravel"),
    (500, {"message": "Server Error"}, platform.Unavailable, "seen"),
    (503, {}, platform.Unavailable, "Laravel"),
    (200, {"data": [{"id": "x", "name": "One"}]}, platform.UnexpectedAnswer, "nonsense"),
    (200, [], platform.UnexpectedAnswer, "nonsense"),
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


async def test_a_key_of_several_workspaces_is_refused_since_it_acts_in_any_of_them() -> None:
    workspaces = [{"id": 1, "name": "One"}, {"id": 2, "name": "Two"}]
    with pytest.raises(platform.WorkspaceRequired, match="One, Two") as raised:
        await answering(json_answer(200, {"data": workspaces})).check()
    assert "api-user" in str(raised.value.problem().action)


async def test_a_key_of_another_workspace_than_the_one_meant_says_so() -> None:
    answer = json_answer(200, {"data": [{"id": 1, "name": "One"}]})
    way = vendor_answers.reach(ADAPTER, lambda _: answer)
    for wanted in ("one", "1"):
        assert len(await ADAPTER.session(platform.Credentials(KEY, workspace=wanted), way).check()) == 1
    with pytest.raises(platform.WorkspaceNotFound, match="One"):
        await ADAPTER.session(platform.Credentials(KEY, workspace="Two"), way).check()


REFUSALS: list[tuple[int, dict[str, Any], type[Error], str]] = [
    (422, refused(TAKEN, email=[TAKEN]), platform.AlreadyConnectedElsewhere, "seen"),
    (422, {"message": TAKEN, "errors": {"email": [TAKEN]}}, platform.AlreadyConnectedElsewhere, "Laravel"),
    (
        422,
        refused("The imap server field is required.", imap_server=["The imap server field is required."]),
        platform.Rejected,
        "Laravel",
    ),
    (
        422,
        refused("The password field must be a string. (and 1 more error)", smtp_port=["The smtp port must be ..."]),
        platform.Rejected,
        "Laravel",
    ),
    (
        422,
        refused("Could not connect to the email account: 535 Authentication failed"),
        platform.InboxSignInRefused,
        "made up",
    ),
    (400, refused("IMAP authentication failed"), platform.InboxSignInRefused, "unknown words"),
    (422, refused("You have reached the limit of email accounts of your plan."), platform.LimitReached, "made up"),
    (409, refused("Something is off"), platform.Rejected, "unknown words"),
]


@pytest.mark.parametrize(("status", "body", "error", "_source"), REFUSALS)
async def test_a_refused_inbox_that_is_not_there_has_its_reason(
    status: int, body: dict[str, Any], error: type[Error], _source: str
) -> None:
    [outcome] = await adding(json_answer(status, body)).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    assert type(outcome.error) is error
    assert body.get("data", body)["message"] in str(outcome.error)


@pytest.mark.parametrize(("status", "body", "_error", "_source"), REFUSALS)
async def test_a_refused_inbox_that_is_there_is_accepted_whatever_the_words(
    status: int, body: dict[str, Any], _error: type[Error], _source: str
) -> None:
    [outcome] = await adding(json_answer(status, body), there=True).add([INBOX])
    assert outcome == platform.Accepted("a@b.test", ticket="7", already=True)


async def test_a_refusal_without_a_message_is_unexpected() -> None:
    [outcome] = await adding(httpx.Response(400, text="no")).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    assert isinstance(outcome.error, platform.UnexpectedAnswer)


@pytest.mark.parametrize(("status", "_source"), [(200, "reference"), (201, "seen")])
async def test_an_added_inbox_has_its_number(status: int, _source: str) -> None:
    outcomes = await adding(json_answer(status, {"data": SENDER})).add([INBOX])
    assert outcomes == [platform.Accepted("a@b.test", ticket="7")]


@pytest.mark.parametrize(
    "answer",
    [
        json_answer(200, {}),
        json_answer(201, {"data": {**SENDER, "email": "other@b.test"}}),
        json_answer(201, SENDER),
        json_answer(404, refused("The route api/sender-emails/imap-smtp could not be found.")),
        httpx.Response(200, html="<h1>Sign in</h1>"),
        httpx.Response(204),
    ],
)
async def test_an_unknown_answer_to_an_add_is_never_success(answer: httpx.Response) -> None:
    with pytest.raises(platform.UnexpectedAnswer):
        await adding(answer).add([INBOX])


@pytest.mark.parametrize("lost", [httpx.ReadTimeout("late"), httpx.ReadError("cut"), httpx.Response(500)])
async def test_an_add_without_an_answer_may_have_happened(lost: httpx.Response | Exception) -> None:
    """Adds were seen to be answered by 500 for no reason, and to be done all the same."""
    with pytest.raises(platform.OutcomeUnknown):
        await adding(lost).add([INBOX])


async def test_an_inbox_with_another_user_name_is_refused_without_a_call() -> None:
    imap = MailServer("imap.b.test", 993, "tls", "ada", PASSWORD)
    inbox = InboxToAdd("a@b.test", "Ada", "Lovelace", inbox_type="custom", imap=imap, smtp=INBOX.smtp)
    [outcome] = await adding(httpx.Response(500)).add([inbox])
    assert isinstance(outcome, platform.Refused)
    assert "user name" in str(outcome.error)


async def test_tls_from_the_start_is_what_secure_means() -> None:
    sent: list[Any] = []

    def handle(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return json_answer(201, {"data": SENDER})

    await vendor_answers.session(ADAPTER, handle).add([INBOX])
    assert (sent[0]["imap_secure"], sent[0]["smtp_secure"], sent[0]["name"]) == (True, False, "Ada Lovelace")


@pytest.mark.parametrize(
    ("status", "standing", "error"),
    [
        ("Connected", Standing.CONNECTED, None),
        ("connected", Standing.CONNECTED, None),
        ("Not connected", Standing.FAILED, platform.InboxSignInRefused),
        ("Disconnected", Standing.FAILED, platform.InboxSignInRefused),
        ("Paused by aliens", Standing.FAILED, platform.UnexpectedAnswer),
    ],
)
async def test_each_status_has_a_standing(status: str, standing: Standing, error: type[Error] | None) -> None:
    found = await answering(page({**SENDER, "status": status})).find(["a@b.test"])
    inbox = found["a@b.test"]
    assert (inbox.standing, inbox.external_id, inbox.daily_limit, inbox.warmup) == (standing, "7", 5, True)
    assert (type(inbox.problem) if inbox.problem else None) is error


async def test_only_a_record_that_is_not_found_is_absent() -> None:
    accepted = [platform.Accepted("a@b.test", ticket="7")]
    missing = {"data": {"success": False, "message": "Record not found.", "record_not_found": {"sender_email": "7"}}}
    for body in (missing, {"message": "No query results for model"}):
        assert await answering(json_answer(404, body)).confirm(accepted) == {}
    route = {"data": {"success": False, "message": "The route api/x could not be found.", "record_not_found": None}}
    for answer in (json_answer(404, route), httpx.Response(404, html="nothing here")):
        with pytest.raises(platform.UnexpectedAnswer):
            await answering(answer).confirm(accepted)


async def test_pages_are_followed_to_the_last_however_many_each_has() -> None:
    pages = [page({**SENDER, "email": f"x{number}@b.test"}, last=3) for number in range(3)]

    def handle(request: httpx.Request) -> httpx.Response:
        return pages[int(request.url.params["page"]) - 1]

    session = vendor_answers.session(ADAPTER, handle)
    assert [inbox.email async for inbox in session.list_()] == ["x0@b.test", "x1@b.test", "x2@b.test"]
    assert list(await session.find(["x2@b.test"])) == ["x2@b.test"]


async def test_warm_up_is_switched_when_the_inbox_shows_it() -> None:
    reads = [False, False, True]

    def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "PATCH":
            return json_answer(200, {"data": {"success": True, "message": "This can take a few minutes"}})
        if request.url.path.endswith("/7"):
            return json_answer(200, {"data": {**SENDER, "warmup_enabled": reads.pop(0)}})
        return page(SENDER)

    await vendor_answers.session(ADAPTER, handle).set_warmup(["a@b.test"], on=True)
    assert reads == []


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        (Changes(daily_limit=12), {"daily_limit": 12}),
        (Changes(last_name="King Noel"), {"name": "Ada King Noel"}),
    ],
)
async def test_names_are_one_at_emailbison(changes: Changes, sent: dict[str, Any]) -> None:
    bodies: list[Any] = []

    def handle(request: httpx.Request) -> httpx.Response:
        if request.method == "PATCH":
            bodies.append(json.loads(request.content))
            return json_answer(200, {"data": SENDER})
        return page(SENDER)

    await vendor_answers.session(ADAPTER, handle).update("a@b.test", changes)
    assert bodies == [sent]


async def test_a_password_cannot_be_changed_in_place() -> None:
    with pytest.raises(platform.NotOffered):
        await answering(page(SENDER)).update_credentials(INBOX)


@pytest.mark.parametrize("secret", [KEY, PASSWORD, json.dumps(PASSWORD)[1:-1]])
async def test_secrets_that_an_instance_echoes_are_not_kept(secret: str) -> None:
    [outcome] = await adding(json_answer(422, refused(f"bad login with {secret}"))).add([INBOX])
    assert isinstance(outcome, platform.Refused)
    with pytest.raises(platform.UnexpectedAnswer) as raised:
        await adding(json_answer(200, {"you sent": secret})).add([INBOX])
    assert all("5ecret" not in text for text in (json.dumps(str(outcome.error)), raised.value.body))
